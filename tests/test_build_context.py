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


@pytest.fixture
def wide(tree: Path) -> Path:
    """A tree with two directories; `link` leads to one of them."""
    (tree / "other" / "deep").mkdir(parents=True)
    (tree / "other" / "deep" / "a.py").write_text("one")
    (tree / "other" / "b").write_text("one")
    return tree


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_not_asked_for_does_not_count(wide: Path, change: Callable[[Path], object]) -> None:
    before = context.look(wide, "", {}, {"other/*/a.py"})
    change(wide)
    assert context.look(wide, "", before.memory, {"other/*/a.py"}).digest == before.digest


@pytest.mark.parametrize("only", [{"other"}, {"other/deep"}, {"*/deep/*.py"}, {"other/deep/a.p[y]", "none"}, {"."}])
def test_what_is_asked_for_counts_with_all_below(wide: Path, only: set[str]) -> None:
    before = context.look(wide, "", {}, only)
    (wide / "other" / "deep" / "a.py").write_text("two")
    assert context.look(wide, "", before.memory, only).digest != before.digest
    ignored = context.look(wide, "other/deep\n", {}, only)
    (wide / "other" / "deep" / "a.py").write_text("three")
    assert context.look(wide, "other/deep\n", {}, only).digest == ignored.digest


def test_the_numbers_are_of_all_and_the_change_is_of_what_counts(wide: Path) -> None:
    part, whole = context.look(wide, "", {}, {"folder"}), context.look(wide, "", {})
    assert (part.files, part.bytes) == (whole.files, whole.bytes) == (4, 9)
    os.utime(wide / "other" / "b", ns=(0, whole.changed + 1))
    assert context.look(wide, "", {}, {"folder"}).changed == part.changed
    assert context.look(wide, "", {}).changed > whole.changed


@pytest.mark.parametrize("only", [{"link"}, {"link/file"}, {"l*/file"}, {"other/link/x"}])
def test_a_link_in_a_path_may_lead_anywhere(wide: Path, only: set[str]) -> None:
    (wide / "other" / "link").symlink_to("../folder")
    assert context.look(wide, "", {}, only).digest == context.look(wide, "", {}).digest


def test_a_link_below_a_path_is_copied_as_it_is(wide: Path) -> None:
    (wide / "other" / "link").symlink_to("../folder")
    before = context.look(wide, "", {}, {"other"}).digest
    (wide / "folder" / "file").write_text("two")
    assert context.look(wide, "", {}, {"other"}).digest == before
    (wide / "other" / "link").unlink()
    (wide / "other" / "link").symlink_to("../elsewhere")
    assert context.look(wide, "", {}, {"other"}).digest != before


def test_what_one_target_read_is_remembered_while_another_is_looked_at(
    wide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = time.time_ns() + 10 * context.YOUNG
    monkeypatch.setattr(time, "time_ns", lambda: later)
    memory = context.look(wide, "", {}, {"folder"}).memory
    assert set(memory) == {"folder/file"}
    memory = context.look(wide, "", memory, {"other"}).memory
    assert set(memory) == {"folder/file", "other/b", "other/deep/a.py"}
    (wide / "folder" / "file").write_text("two")
    (wide / "other" / "b").unlink()
    assert set(context.look(wide, "", memory, {"other/deep"}).memory) == {"other/deep/a.py"}
    assert set(context.look(wide, "other\n", memory, {"folder"}).memory) == {"folder/file"}
