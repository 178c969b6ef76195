import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks import ownership
from goldi_tasks.cache import cache_directories
from goldi_tasks.maintenance.usage import sizes
from goldi_tasks.paths import CACHES, TAG_FILE, Roots


@pytest.fixture
def root(tmp_path: Path) -> Path:
    cache_directories.set_up(Roots(tmp_path / "caches"))
    return tmp_path / "caches"


def pip(root: Path) -> sizes.CacheUsage:
    return next(size for size in sizes.measure(Roots(root), fast=False) if size.name == "pip-cache")


def test_every_cache_of_the_table_is_measured_whether_there_or_not(tmp_path: Path) -> None:
    found = sizes.measure(Roots(tmp_path), fast=False)
    assert [size.name for size in found] == [cache.name for cache in CACHES]
    assert not any(size.exists or size.bytes or size.files for size in found)


def test_bytes_on_disk_and_files_at_any_depth(root: Path) -> None:
    before = pip(root)
    assert (before.exists, before.files) == (True, 1)
    (root / "pip-cache" / "a" / "b").mkdir(parents=True)
    (root / "pip-cache" / "a" / "b" / "file").write_bytes(b"x" * 100_000)
    after = pip(root)
    assert after.files == 2
    assert 100_000 <= after.bytes - before.bytes < 150_000


def test_hard_links_count_once(root: Path) -> None:
    file = root / "pip-cache" / "file"
    file.write_bytes(b"x" * 100_000)
    once = pip(root)
    os.link(file, root / "pip-cache" / "again")
    again = pip(root)
    assert (again.bytes, again.files) == (once.bytes, once.files)


def test_a_sparse_file_counts_what_it_uses(root: Path) -> None:
    with (root / "pip-cache" / "sparse").open("wb") as file:
        file.truncate(10_000_000)
    assert pip(root).bytes < 1_000_000


def test_links_count_as_themselves(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "big").write_bytes(b"x" * 1_000_000)
    (root / "pip-cache" / "folder").symlink_to(tmp_path / "elsewhere")
    (root / "pip-cache" / "file").symlink_to(tmp_path / "elsewhere" / "big")
    (root / "pip-cache" / "loop").symlink_to(root / "pip-cache")
    found = pip(root)
    assert found.files == 4
    assert found.bytes < 100_000


def test_a_cache_directory_that_is_a_link_is_not_followed(root: Path, tmp_path: Path) -> None:
    (root / "pip-cache").rename(tmp_path / "elsewhere")
    (root / "pip-cache").symlink_to(tmp_path / "elsewhere")
    assert not pip(root).exists


def test_a_file_that_its_container_removes_meanwhile_is_no_failure(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "pip-cache" / "gone").touch()
    real, number = os.scandir, (root / "pip-cache").stat().st_ino

    def scandir(handle: int) -> Any:
        entries = list(real(handle))
        if os.fstat(handle).st_ino == number:
            (root / "pip-cache" / "gone").unlink()
        return nullcontext(entries)

    monkeypatch.setattr(os, "scandir", scandir)
    assert pip(root).files == 1


def test_what_clearing_would_leave_alone_is_told(root: Path, tmp_path: Path) -> None:
    (root / "uv-cache" / TAG_FILE).unlink()
    (root / "uv-cache" / "file").touch()
    (root / "npm-cache").rename(tmp_path / "elsewhere")
    (root / "npm-cache").symlink_to(tmp_path / "elsewhere")
    found = {size.name: size for size in sizes.measure(Roots(root), fast=False)}
    assert found["uv-cache"].refused == f"{root / 'uv-cache'} has no CACHEDIR.TAG of a cache: left alone"
    assert (found["uv-cache"].exists, found["uv-cache"].tagged, found["uv-cache"].files) == (True, False, 1)
    assert found["npm-cache"].refused == f"{root / 'npm-cache'} is a symbolic link: left alone"
    assert (found["pip-cache"].refused, found["pip-cache"].tagged) == ("", True)
    assert sizes.remarks(found["npm-cache"]) == [f"{root / 'npm-cache'} is a symbolic link: left alone"]
    assert sizes.remarks(found["pip-cache"]) == []


def test_another_users_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "owner", lambda: (os.getuid() + 1, 0))
    assert "belongs to user" in sizes.remarks(pip(root))[0]


def test_what_each_project_has_and_when_it_was_last_used(root: Path) -> None:
    folder = root / "mypy-cache"
    for key, age in (("old-0123abcd", 5000), ("new-0123abcd", 100)):
        (folder / key / "deep").mkdir(parents=True)
        (folder / key / "deep" / "file").write_bytes(b"x" * 10_000)
        for path in (folder / key / "deep" / "file", folder / key / "deep", folder / key):
            os.utime(path, (age, age))
    found = {size.name: size for size in sizes.measure(Roots(root), fast=False)}["mypy-cache"]
    assert [(part.key, part.files, part.last_use) for part in found.projects] == [
        ("new-0123abcd", 1, 100),
        ("old-0123abcd", 1, 5000),
    ]
    assert all(10_000 <= part.bytes < 50_000 for part in found.projects)
    assert found.last_use > 5000, "the directory itself was made now"
    assert found.disk.capacity > found.disk.free > 0
