"""The digest of a context; whether it is the builder's own notion is asked by tests/fingerprint."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks.bake import build_context


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("one")
    (tmp_path / "ignored").write_text("")
    (tmp_path / "link").symlink_to("folder")
    return tmp_path


def read(tree: Path, paths: set[str] | None = None, text: str = "ignored\n", **more: Any) -> build_context.ContextState:
    return build_context.read(tree, text, paths or build_context.WHOLE, **more)


def rename(tree: Path) -> None:
    (tree / "folder" / "file").rename(tree / "folder" / "other")


def retarget(tree: Path) -> None:
    (tree / "link").unlink()
    (tree / "link").symlink_to("elsewhere")


def replace(tree: Path) -> None:
    (tree / "folder" / "file").unlink()
    (tree / "folder" / "file").mkdir()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was changed until now was changed a while ago."""
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 10 * build_context.YOUNG)


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
def test_a_change_shows_at_once_with_the_memory_of_before(
    tree: Path, change: Callable[[Path], object], later: None
) -> None:
    before = read(tree)
    assert before.memory
    assert not before.young
    change(tree)
    assert read(tree, last=before, remember=lambda: before.memory).digest != before.digest


def test_the_same_time_and_size_hide_nothing(tree: Path) -> None:
    """An edit in the same second whose times are set back: ctime cannot be set."""
    file = tree / "folder" / "file"
    os.utime(file, (1, 1))
    before = read(tree)
    file.write_text("two")
    os.utime(file, (1, 1))
    assert read(tree, last=before, remember=lambda: before.memory).digest != before.digest


def test_extended_attributes_count(tree: Path) -> None:
    before = read(tree)
    try:
        os.setxattr(tree / "folder/file", "user.kind", b"one")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    assert read(tree, last=before, remember=lambda: before.memory).digest != before.digest


def test_what_is_left_out_does_not_count_and_times_do_not_either(tree: Path) -> None:
    before = read(tree).digest
    (tree / "ignored").write_text("other")
    os.utime(tree / "folder" / "file", (1, 1))
    assert read(tree).digest == before
    assert read(tree, text="").digest != before


def test_a_file_is_read_again_only_while_it_is_young(
    tree: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read(tree)
    assert set(first.young) == {"folder", "folder/file", "link"}
    assert not first.memory
    request.getfixturevalue("later")
    second = read(tree, last=first)
    assert (second.digest, second.young) == (first.digest, {})
    monkeypatch.setattr(build_context, "_content", lambda path, status: pytest.fail(f"read {path}"))
    assert read(tree, last=second).digest == first.digest


def test_a_file_from_the_future_is_read_each_time_and_asks_for_nothing(tree: Path, later: None) -> None:
    os.utime(tree / "folder/file", (1e10, 1e10))
    first = read(tree)
    second = read(tree, last=first)
    assert first == second
    assert set(first.young) == set(second.young) == {"folder/file"}
    status = (tree / "folder/file").stat()
    with (tree / "folder/file").open("r+") as file:
        file.write("two")
    os.utime(tree / "folder/file", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert read(tree, last=second).digest != first.digest


def test_with_an_exception_all_counts(tree: Path) -> None:
    assert build_context.measure(tree, "*\n!folder/file\n") == (2, 3)
    assert build_context.measure(tree, "ignored") == (1, 3)


def test_strange_names(tree: Path) -> None:
    Path(os.fsdecode(bytes(tree) + b"/\xff\n")).touch()
    assert build_context.measure(tree, "")[0] == 3
    assert read(tree).digest


@pytest.fixture
def wide(tree: Path) -> Path:
    """A tree with two directories; `link` leads to one of them."""
    (tree / "other" / "deep").mkdir(parents=True)
    (tree / "other" / "deep" / "a.py").write_text("one")
    (tree / "other" / "b").write_text("one")
    return tree


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_not_asked_for_does_not_count(wide: Path, change: Callable[[Path], object]) -> None:
    before = read(wide, {"other/deep/a.py"})
    change(wide)
    assert read(wide, {"other/deep/a.py"}) == before


@pytest.mark.parametrize(
    "paths", [{"other"}, {"other/deep"}, {"other/deep/a.py", "none", "none/x"}, {"other", "other/b"}, {"."}]
)
def test_what_is_asked_for_counts_with_all_below(wide: Path, paths: set[str]) -> None:
    before = read(wide, paths)
    (wide / "other" / "deep" / "a.py").write_text("two")
    assert read(wide, paths, last=before, remember=lambda: before.memory).digest != before.digest
    ignored = read(wide, paths, "other/deep\n")
    (wide / "other" / "deep" / "a.py").write_text("three")
    assert read(wide, paths, "other/deep\n").digest == ignored.digest


def test_what_was_not_there_counts_when_it_comes(wide: Path) -> None:
    before = read(wide, {"new/file"})
    (wide / "new").mkdir()
    (wide / "new/file").touch()
    assert read(wide, {"new/file"}, last=before).digest != before.digest


@pytest.mark.parametrize("paths", [{"link"}, {"link/file"}, {"other/link/x"}])
def test_a_link_in_a_path_may_lead_anywhere(wide: Path, paths: set[str]) -> None:
    (wide / "other" / "link").symlink_to("../folder")
    assert read(wide, paths) == read(wide)


def test_a_link_below_a_path_is_copied_as_it_is(wide: Path) -> None:
    (wide / "other" / "link").symlink_to("../folder")
    before = read(wide, {"other"}).digest
    (wide / "folder" / "file").write_text("two")
    assert read(wide, {"other"}).digest == before
    (wide / "other" / "link").unlink()
    (wide / "other" / "link").symlink_to("../elsewhere")
    assert read(wide, {"other"}).digest != before
