"""The digest of a context; whether it is the builder's own notion is asked in tests/real/test_inputs.py."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from goldi_tasks.build import context


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("one")
    (tmp_path / "ignored").write_text("")
    (tmp_path / "link").symlink_to("folder")
    return tmp_path


def digest(tree: Path, memory: context.Memory | None = None, text: str = "ignored\n") -> str:
    return context.look(tree, text, memory or {}).digest


def rename(tree: Path) -> None:
    (tree / "folder" / "file").rename(tree / "folder" / "other")


def retarget(tree: Path) -> None:
    (tree / "link").unlink()
    (tree / "link").symlink_to("elsewhere")


def replace(tree: Path) -> None:
    (tree / "folder" / "file").unlink()
    (tree / "folder" / "file").mkdir()


CHANGES: dict[str, Callable[[Path], object]] = {
    "content of the same length": lambda tree: (tree / "folder" / "file").write_text("two"),
    "mode": lambda tree: (tree / "folder" / "file").chmod(0o755),
    "name": rename,
    "new file": lambda tree: (tree / "new").touch(),
    "new empty directory": lambda tree: (tree / "new").mkdir(),
    "mode of a directory": lambda tree: (tree / "folder").chmod(0o700),
    "link": retarget,
    "file to directory": replace,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_shows_at_once_with_the_memory_of_before(tree: Path, change: Callable[[Path], object]) -> None:
    before = context.look(tree, "ignored\n", {})
    change(tree)
    assert digest(tree, before.memory) != before.digest


def test_the_same_time_and_size_hide_nothing(tree: Path) -> None:
    """An edit in the same second whose times are set back: ctime cannot be set."""
    file = tree / "folder" / "file"
    os.utime(file, (1, 1))
    before = context.look(tree, "", {})
    file.write_text("two")
    os.utime(file, (1, 1))
    assert digest(tree, before.memory, "") != before.digest


def test_what_is_left_out_does_not_count_and_times_do_not_either(tree: Path) -> None:
    before = digest(tree)
    (tree / "ignored").write_text("other")
    os.utime(tree / "folder" / "file", (1, 1))
    assert digest(tree) == before
    assert digest(tree, text="") != before


def test_a_file_is_read_again_only_while_it_is_young(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = context.look(tree, "", {})
    assert not first.memory
    later = time.time_ns() + 10 * context.YOUNG
    monkeypatch.setattr(time, "time_ns", lambda: later)
    second = context.look(tree, "", first.memory)
    assert set(second.memory) == {"folder/file", "ignored"}
    monkeypatch.setattr(context, "_hash", lambda path: pytest.fail(f"read {path}"))
    assert context.look(tree, "", second.memory).digest == first.digest


def test_an_exception_brings_back_what_lies_in_a_directory_that_is_left_out(tree: Path) -> None:
    found = context.look(tree, "*\n!folder/file\n", {})
    assert (found.files, found.bytes) == (1, 3)


def test_strange_names(tree: Path) -> None:
    Path(os.fsdecode(bytes(tree) + b"/\xff\n")).touch()
    assert context.look(tree, "", {}).files == 3
