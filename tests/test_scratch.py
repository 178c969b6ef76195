import os
from pathlib import Path

import pytest

from goldi_tasks import tempdir


@pytest.fixture(autouse=True)
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_it_is_there_while_the_block_runs_and_for_us_alone(top: Path) -> None:
    with tempdir.directory() as made:
        assert made.parent == top
        assert made.stat().st_mode & 0o777 == 0o700
        (made / "metadata.json").touch()
    assert list(top.iterdir()) == []


def test_what_a_killed_run_left_goes_and_what_one_holds_stays(top: Path) -> None:
    left = top / "goldi-scratch-killed"
    left.mkdir()
    (left / "metadata.json").touch()
    with tempdir.directory() as held, tempdir.directory() as made:
        assert sorted(top.iterdir()) == sorted([held, made])


def test_nothing_else_goes(top: Path) -> None:
    others = [top / "goldi-other", top / "goldi-scratch-elsewhere", top / "goldi-scratch-file"]
    others[0].mkdir()
    others[1].symlink_to(others[0])
    others[2].touch()
    (others[0] / "kept").touch()
    with tempdir.directory():
        assert (others[0] / "kept").exists()
        assert all(map(os.path.lexists, others))
