"""Which variable says a port, asked of compose, or read in the file where compose does not say."""

import json
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.compose import ports
from goldi_tasks.compose.compose_arguments import Compose
from goldi_tasks.compose.stack_model import Port, Service
from goldi_tasks.errors import CommandFailed
from goldi_tasks.settings import Settings

WEB = Service("web", "bears:latest")
TEXT = """\
services:
  web:
    ports:
      - { target: 80, published: "${WEB_PORT:-8000}", host_ip: "${ADDRESS:-127.0.0.1}" }
      - target: 5173
        published: ${PAGE_PORT}
      - "9000:9000"
"""
# What compose 2.40.3 says of a variable in `host_ip`.
REFUSED = CommandFailed("services.web.ports.[]: invalid ip address: ${ADDRESS:-127.0.0.1}", 1)


def ask(monkeypatch: pytest.MonkeyPatch, folder: Path, said: str | Exception, number: int, target: int = 80) -> str:
    def capture(command: Command, **_: Any) -> str:
        assert "--no-interpolate" in command.argv
        if isinstance(said, Exception):
            raise said
        return said

    monkeypatch.setattr(process, "capture", capture)
    (folder / "compose.yaml").write_text(TEXT)
    compose = Compose({"PAGE_PORT": "5200"})
    return ports.variable(Settings(folder), compose, WEB, Port("127.0.0.1", number, target))


def test_compose_says_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ports = [{"target": 80, "published": "${WEB_PORT:-8000}"}, {"target": 81, "published": "81"}]
    said = json.dumps({"services": {"web": {"ports": ports}}})
    assert ask(monkeypatch, tmp_path, said, 8000) == "WEB_PORT"
    assert ask(monkeypatch, tmp_path, said, 81, 81) == ""
    assert ask(monkeypatch, tmp_path, said, 82, 82) == ""


@pytest.mark.parametrize(("number", "name"), [(8000, "WEB_PORT"), (5200, "PAGE_PORT"), (9000, ""), (1, "")])
def test_newer_compose_does_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, name: str) -> None:
    assert ask(monkeypatch, tmp_path, REFUSED, number) == name


def test_what_the_environment_says_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WEB_PORT", "8001")
    assert ask(monkeypatch, tmp_path, REFUSED, 8001) == "WEB_PORT"
    assert ask(monkeypatch, tmp_path, REFUSED, 8000) == ""
