"""What is made appears at one instant, and never in the place of something else."""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from goldi_tasks import atomic, envfile, state
from tests.test_cache_dirs import may_give

OURS = (os.getuid(), os.getgid())
THEIRS = (4242, 4243)
gives = pytest.mark.skipif(not may_give(), reason="only root with his capabilities can give files away")
THERE: dict[str, Callable[[Path], object]] = {
    "empty directory": lambda path: path.mkdir(),
    "directory": lambda path: (path / "in").mkdir(parents=True),
    "file": lambda path: path.write_text("there"),
    "link": lambda path: path.symlink_to("nowhere"),
}


@pytest.fixture(params=["renameat2", "two steps"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that can rename without replacing, and one that cannot."""
    if request.param == "two steps":
        monkeypatch.setattr(atomic, "_renameat2", lambda: None)


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("kind", THERE)
@pytest.mark.parametrize("late", [False, True])
def test_what_is_there_stays(tmp_path: Path, kind: str, late: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    path, give = tmp_path / "new", atomic.change_owner

    def meanwhile(draft: Path, owner: atomic.Owner) -> None:
        if not os.path.lexists(path):
            THERE[kind](path)
        give(draft, owner)

    if late:
        monkeypatch.setattr(atomic, "change_owner", meanwhile)
    else:
        THERE[kind](path)
    assert not atomic.make_directory(path, 0o700, OURS, {"tag": "text"})
    first = path.lstat().st_ino
    assert not atomic.make_directory(path, 0o700, OURS)
    assert not atomic.write(path, b"other", owner=OURS, replace=False)
    assert path.lstat().st_ino == first
    assert not path.is_dir() or [entry.name for entry in path.iterdir()] in ([], ["in"])
    assert [entry.name for entry in tmp_path.iterdir()] == ["new"]


@gives
@pytest.mark.usefixtures("system")
def test_it_appears_whole_and_with_its_owner(tmp_path: Path) -> None:
    assert atomic.make_directory(tmp_path / "tagged", 0o700, THEIRS, {"tag": "text"})
    assert atomic.make_directory(tmp_path / "empty", 0o755, THEIRS)
    assert atomic.write(tmp_path / "file", b"data", owner=THEIRS)
    os.close(atomic.open_lock(tmp_path / "lock", THEIRS))
    found = {path.name: path.stat() for path in tmp_path.rglob("*")}
    modes = {"tagged": 0o700, "tag": 0o600, "empty": 0o755, "file": 0o600, "lock": 0o600}
    assert {name: one.st_mode & 0o7777 for name, one in found.items()} == modes
    assert {(one.st_uid, one.st_gid) for one in found.values()} == {THEIRS}


def test_of_a_failure_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, owner: atomic.Owner) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic, "change_owner", fail)
    with pytest.raises(KeyboardInterrupt):
        atomic.write(tmp_path / "new", b"data", owner=OURS)
    with pytest.raises(KeyboardInterrupt):
        atomic.make_directory(tmp_path / "new", 0o700, OURS, {"tag": "text"})
    assert not list(tmp_path.iterdir())


def test_a_draft_that_is_swept_away_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give, swept = atomic.change_owner, list[Path]()

    def sweep(path: Path, owner: atomic.Owner) -> None:
        give(path, owner)
        if path.is_dir() and len(swept) < 2:
            swept.append(path)
            shutil.rmtree(path)

    monkeypatch.setattr(atomic, "change_owner", sweep)
    assert atomic.make_directory(tmp_path / "new", 0o700, OURS, {"tag": "text"})
    assert len(swept) == 2
    assert (tmp_path / "new/tag").read_text() == "text"
    with pytest.raises(FileNotFoundError):
        atomic.make_directory(tmp_path / "nowhere/new", 0o700, OURS, {"tag": "text"})


def test_a_lock_is_one_file_for_all(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        handles = list(pool.map(lambda _: atomic.open_lock(tmp_path / "lock", OURS), range(32)))
    assert len({os.fstat(handle).st_ino for handle in handles}) == 1
    for handle in handles:
        os.close(handle)
    (tmp_path / "link").symlink_to("lock")
    with pytest.raises(OSError, match="link"):
        atomic.open_lock(tmp_path / "link", OURS)


def test_no_line_of_env_is_lost_where_many_write(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: envfile.write(tmp_path / ".env", {f"V{n}": str(n)}), range(32)))
    assert sorted((tmp_path / ".env").read_text().split()) == sorted(f"V{n}={n}" for n in range(32))


@gives
@pytest.mark.parametrize("home", [THEIRS, (0, 0)])
def test_under_sudo_state_is_the_homes_owners(
    tmp_path: Path, home: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever calls sudo may keep his HOME, as on macOS, or get root's."""
    os.chown(tmp_path, *home)
    for name, value in zip(("SUDO_UID", "SUDO_GID"), THEIRS, strict=True):
        monkeypatch.setenv(name, str(value))
    state.write(tmp_path / "state/goldi/file", "text")
    os.close(state.open_lock(tmp_path / "state/goldi/lock"))
    state.rewrite(tmp_path / "state/goldi/mounted", "text")
    made = [tmp_path / "state", *(tmp_path / "state").rglob("*")]
    assert len(made) == 5
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {home}
    assert {path.stat().st_mode & 0o077 for path in made} == {0}
    state.rewrite(tmp_path / "state/goldi/network", "text", THEIRS)
    assert (tmp_path / "state/goldi/network").stat().st_uid == THEIRS[0]
