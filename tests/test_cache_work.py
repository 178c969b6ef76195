import os
from pathlib import Path

import pytest

from goldi_tasks.cache import cache_directories, last_use, usage_lock
from goldi_tasks.paths import Roots


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "goldi"


def test_many_at_work_and_no_prune_meanwhile() -> None:
    with usage_lock.hold_shared_lock(), usage_lock.hold_shared_lock(), usage_lock.hold_exclusive_lock(None) as free:
        assert not free
    with usage_lock.hold_exclusive_lock(None) as free:
        assert free


def test_a_build_goes_on_when_a_prune_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_lock, "PATIENCE", 0.1)
    with usage_lock.hold_exclusive_lock(None) as free, usage_lock.hold_shared_lock():
        assert free


def test_who_waits_is_told_for_whom(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    holder = usage_lock.hold_shared_lock()
    holder.__enter__()

    def tell(whom: str) -> None:
        told.append(whom)
        holder.__exit__(None, None, None)

    with usage_lock.hold_exclusive_lock(tell) as free:
        assert free
    assert len(told) == 1
    assert f"process {os.getpid()}" in told[0] or "another goldi" in told[0]


def test_without_a_state_directory_work_goes_on(state: Path) -> None:
    state.parent.write_text("a file")
    with usage_lock.hold_shared_lock(), usage_lock.hold_exclusive_lock(None) as free:
        assert free
    assert usage_lock.is_check_due()


def test_once_a_day(state: Path) -> None:
    assert usage_lock.is_check_due()
    state.mkdir(parents=True)
    usage_lock.get_last_check_file().touch()
    assert not usage_lock.is_check_due()
    os.utime(usage_lock.get_last_check_file(), (1e9, 1e9))
    assert usage_lock.is_check_due()
    os.utime(usage_lock.get_last_check_file(), (4e9, 4e9))
    assert usage_lock.is_check_due(), "a clock that went back is no reason to wait for years"


def test_what_is_handed_out_is_marked_at_most_each_half_hour(tmp_path: Path) -> None:
    root = tmp_path / "caches"
    folder = root / "mypy-cache" / "a-0123abcd"
    cache_directories.ensure(Roots(root), folder / "native")
    for path in (folder.parent, folder, folder / "native"):
        os.utime(path, (1e9, 1e9))
    cache_directories.ensure(Roots(root), folder / "native")
    marks = [path.stat().st_mtime_ns for path in (folder.parent, folder, folder / "native")]
    assert [mark > 1.1e18 for mark in marks] == [True, True, False]
    cache_directories.ensure(Roots(root), folder / "native")
    assert folder.stat().st_mtime_ns == marks[1]
    assert last_use.PAUSE < last_use.FRESH
