import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks import process
from goldi_tasks.cache import cache_directories, safe_delete
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, Interrupted
from goldi_tasks.maintenance import clear_caches, clear_report, root_removal
from goldi_tasks.paths import BY_NAME, Roots

TOLD = json.dumps(
    asdict(safe_delete.Tally(bytes=9, files=9, freed=4096, removed=1, left=[safe_delete.NotDeleted("x", "why", 1)]))
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cache_directories.set_up(Roots(tmp_path))
    return tmp_path / "pip-cache"


@pytest.fixture
def top(folder: Path) -> Iterator[int]:
    handle = os.open(folder, safe_delete.DIRECTORY)
    yield handle
    os.close(handle)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What docker was asked; only the image `there` is, and `stop` is interrupted."""
    calls: list[tuple[str, ...]] = []

    def capture(command: Command, **options: Any) -> str:
        calls.append(command.argv)
        if "stop" in command.argv:
            raise Interrupted
        if "there" not in command.argv:
            raise CommandFailed("docker run: Unable to find image locally", 125)
        assert options["stdin"] == Path(safe_delete.__file__).read_text(encoding="utf-8")
        return TOLD

    monkeypatch.setattr(process, "capture", capture)
    return calls


def empty(top: int, folder: Path, *images: str) -> tuple[str, safe_delete.Tally]:
    tally = safe_delete.Tally(
        bytes=5, files=2, freed=512, removed=1, left=[safe_delete.NotDeleted("a", "Permission denied", 13)]
    )
    return root_removal.empty_in_container(top, folder, "", keys=True, tally=tally, images=images), tally


def test_the_first_image_that_is_there_does_it(top: int, folder: Path, asked: list[tuple[str, ...]]) -> None:
    image, tally = empty(top, folder, "not", "there", "nor this")
    assert image == "there"
    assert len(asked) == 2
    found = folder.stat()
    assert asked[1][-5:] == ("-", "/cache", "", "keys", f"{found.st_dev}:{found.st_ino}")
    assert (tally.bytes, tally.files, tally.freed, tally.removed) == (5, 2, 4608, 2)
    assert tally.left == [safe_delete.NotDeleted("x", "why", 1)]


def test_where_none_is_there_nothing_changes(top: int, folder: Path, asked: list[tuple[str, ...]]) -> None:
    image, tally = empty(top, folder, "not", "nor this")
    assert image == ""
    assert len(asked) == 2
    assert (tally.freed, [left.path for left in tally.left]) == (512, ["a"])


def test_after_ctrl_c_no_container_goes_on(top: int, folder: Path, asked: list[tuple[str, ...]]) -> None:
    with pytest.raises(Interrupted):
        empty(top, folder, "stop")
    assert asked[1][:3] == ("docker", "rm", "--force")
    assert asked[1][3] == asked[0][asked[0].index("--name") + 1]


@pytest.mark.parametrize(("uid", "dry", "expected"), [(1000, False, "there"), (1000, True, ""), (0, False, "")])
def test_only_an_ordinary_users_denials_need_a_container(
    folder: Path,
    asked: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    uid: int,
    dry: bool,
    expected: str,
) -> None:
    (folder / "file").touch()

    def unlink(name: str, *, dir_fd: int) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "unlink", unlink)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    row = clear_caches.CacheClearing(BY_NAME["pip-cache"], folder)
    clear_caches.clear(row, ("there",), dry=dry)
    assert row.image == expected
    if expected:
        assert "in part by a container of there, as root" in next(clear_report.format_row(row, dry=False))
    assert len(asked) == bool(expected)
