"""The database's password, from a file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from goldilocks.database import make_engine
from goldilocks.settings import Settings

URL = "postgresql+psycopg://bear@den/bowls"
COLD = "postgresql+psycopg://bear:cold@den/bowls"


def rendered(engine: Engine) -> str:
    """Return the URL of an engine, with its password."""
    return engine.url.render_as_string(hide_password=False)


def test_the_file_holds_the_password(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(" h@t/% \n")
    assert "bear:h%40t%2F%25@den" in rendered(make_engine(URL, file))


def test_the_file_wins_over_the_url(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("right\n")
    assert "bear:right@den" in rendered(make_engine(COLD, file))


def test_no_file_leaves_the_url_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD_FILE", "")  # empty counts as unset
    file = Settings().database_password_file
    assert "bear:cold@den" in rendered(make_engine(COLD, file))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "goldilocks: cannot read DATABASE_PASSWORD_FILE {}: No such file or"),
        (b" \n", "goldilocks: DATABASE_PASSWORD_FILE {} is empty"),
        (b"\xff", "goldilocks: cannot read DATABASE_PASSWORD_FILE {}: not UTF-8"),
    ],
)
def test_the_service_exits_with_one_sentence(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    settings = {"DATABASE_URL": URL, "DATABASE_PASSWORD_FILE": str(file)}
    command = [sys.executable, "-m", "uvicorn", "goldilocks.app:app", "--port", "0"]
    done = subprocess.run(
        command, env=os.environ | settings, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    assert done.stderr.startswith(sentence.format(file))
    assert len(done.stderr.splitlines()) == 1
