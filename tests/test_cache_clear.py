import errno
import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks import ownership
from goldi_tasks.cache import cache_directories, safe_delete
from goldi_tasks.errors import CacheRefused, UnknownName
from goldi_tasks.maintenance import clear_caches, clear_report
from goldi_tasks.paths import BY_NAME, CACHES, TAG_FILE, TAG_SIGNATURE, Roots, project_key
from tests.test_cache_dirs import may_give


def row(folder: Path, *, dry: bool = False, only: str = "", images: tuple[str, ...] = ()) -> clear_caches.CacheClearing:
    """The cache directory `folder`, cleared."""
    found = clear_caches.CacheClearing(BY_NAME[folder.name], folder, only)
    clear_caches.clear(found, images, dry=dry)
    return found


def empty(folder: Path, *, dry: bool = False) -> tuple[int, list[str]]:
    """The bytes freed, and what was left and why."""
    found = row(folder, dry=dry)
    left = [f"{folder / one.path}: {one.reason}" for one in found.tally.left]
    return found.tally.freed, [*filter(None, [found.refused]), *left]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    cache_directories.set_up(Roots(tmp_path / "caches"))
    return tmp_path / "caches"


def test_everything_goes_but_the_directory_and_its_tag(root: Path) -> None:
    folder = root / "pip-cache"
    before = folder.stat().st_ino
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_bytes(b"x" * 100_000)
    (folder / "a" / TAG_FILE).touch()
    freed, left = empty(folder)
    assert freed >= 100_000
    assert left == []
    assert [path.name for path in folder.iterdir()] == [TAG_FILE]
    assert folder.stat().st_ino == before


def test_an_untagged_directory_is_left_alone_and_told(root: Path) -> None:
    folder = root / "pip-cache"
    (folder / TAG_FILE).unlink()
    (folder / "precious").touch()
    freed, left = empty(folder)
    assert freed == 0
    assert left == [f"{folder} has no CACHEDIR.TAG of a cache: left alone"]
    assert (folder / "precious").exists()


def test_a_link_inside_is_removed_and_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").touch()
    (root / "pip-cache" / "folder").symlink_to(tmp_path / "elsewhere")
    (root / "pip-cache" / "file").symlink_to(tmp_path / "elsewhere" / "precious")
    assert empty(root / "pip-cache")[1] == []
    assert (tmp_path / "elsewhere" / "precious").exists()
    assert [path.name for path in (root / "pip-cache").iterdir()] == [TAG_FILE]


def test_a_cache_directory_that_is_a_link_is_not_touched(root: Path, tmp_path: Path) -> None:
    (root / "pip-cache").rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "precious").touch()
    (root / "pip-cache").symlink_to(tmp_path / "elsewhere")
    assert empty(root / "pip-cache") == (0, [f"{root / 'pip-cache'} is a symbolic link: left alone"])
    assert (tmp_path / "elsewhere" / "precious").exists()


def test_a_directory_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert empty(tmp_path / "pip-cache") == (0, [])


def test_another_file_system_is_not_entered(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount needs root and a program, so the device of one directory is made another."""
    mounted = root / "pip-cache" / "mounted"
    mounted.mkdir()
    (mounted / "precious").touch()
    (root / "pip-cache" / "file").touch()
    real, number = os.fstat, mounted.stat().st_ino

    def fstat(handle: int) -> os.stat_result:
        found = real(handle)
        # The third field is the device.
        changed = (*found[:2], found.st_dev + 1, *found[3:])
        return os.stat_result(changed) if found.st_ino == number else found

    monkeypatch.setattr(os, "fstat", fstat)
    freed, left = empty(root / "pip-cache")
    assert left == [f"{mounted}: another file system"]
    assert freed == 0
    assert (mounted / "precious").exists()
    assert not (root / "pip-cache" / "file").exists()


def test_a_hard_link_that_lives_on_elsewhere_frees_nothing(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    os.link(tmp_path / "file", root / "uv-cache" / "file")
    assert empty(root / "uv-cache") == (0, [])
    assert (tmp_path / "file").exists()


def test_what_cannot_be_removed_is_told_and_the_rest_goes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "pip-cache" / "stuck").touch()
    (root / "pip-cache" / "loose").touch()
    real = os.unlink

    def unlink(name: str, *, dir_fd: int) -> None:
        if name == "stuck":
            raise PermissionError(1, "Operation not permitted")
        real(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink)
    assert empty(root / "pip-cache") == (0, [f"{root / 'pip-cache' / 'stuck'}: Operation not permitted"])
    assert not (root / "pip-cache" / "loose").exists()


def test_names() -> None:
    assert [cache.name for cache in clear_caches.select_caches(("pip-cache", "ruff-cache"), every=False)] == [
        "pip-cache",
        "ruff-cache",
    ]
    assert clear_caches.select_caches((), every=True) == CACHES


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no cache 'pip-cash'\. Did you mean 'pip-cache'\?"):
        clear_caches.select_caches(("pip-cash",), every=False)
    with pytest.raises(UnknownName):
        clear_caches.select_caches(("../etc",), every=True)


def test_no_name_is_not_all() -> None:
    with pytest.raises(UnknownName, match=r"no cache given\. Use --name NAME or --all"):
        clear_caches.select_caches((), every=False)


def tree(folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_bytes(b"x" * 100_000)
    (folder / "a" / "empty").touch()
    (folder / "link").symlink_to("/etc")
    os.link(folder / "a" / "b" / "file", folder / "again")


def used(folder: Path) -> int:
    inodes = {path.lstat().st_ino: path.lstat().st_blocks * 512 for path in folder.rglob("*")}
    return sum(inodes.values())


def test_what_is_said_to_be_freed_is_freed_on_disk_and_a_dry_run_foretells_it(root: Path) -> None:
    folder = root / "pip-cache"
    tree(folder)
    os.link(folder / "again", root / "uv-cache" / "lives on")
    (folder / "second").write_bytes(b"x" * 10_000)
    os.link(folder / "second", folder / "second again")
    before, names = used(folder), sorted(folder.rglob("*"))
    foretold = row(folder, dry=True).tally
    assert sorted(folder.rglob("*")) == names
    assert (foretold.bytes, foretold.files) == (before, 5)
    assert row(folder).tally == foretold
    assert foretold.removed == 4
    assert foretold.freed == before - used(folder) - (root / "uv-cache" / "lives on").stat().st_blocks * 512


@pytest.mark.parametrize("name", ["goldilocks-venv", "mypy-cache"])
def test_the_directories_of_projects_stay_since_containers_have_them_mounted(root: Path, name: str) -> None:
    for inside in ("bears-0123abcd", "3.13"):
        tree(root / name / inside)
    before = (root / name / "bears-0123abcd").stat().st_ino
    assert empty(root / name)[1] == []
    assert sorted(path.name for path in (root / name).iterdir()) == [TAG_FILE, "bears-0123abcd"]
    assert list((root / name / "bears-0123abcd").iterdir()) == []
    assert (root / name / "bears-0123abcd").stat().st_ino == before


def test_a_key_is_what_the_table_makes() -> None:
    assert safe_delete.KEY.fullmatch(project_key(Path("/a b/Three Bears")))
    assert (TAG_FILE, TAG_SIGNATURE.encode()) == (safe_delete.TAG, safe_delete.SIGNATURE)


def test_one_project_only(root: Path) -> None:
    tree(root / "mypy-cache" / "bears-0123abcd")
    tree(root / "mypy-cache" / "wolf-0123abcd")
    assert not row(root / "mypy-cache", only="bears-0123abcd").tally.left
    assert list((root / "mypy-cache" / "bears-0123abcd").iterdir()) == []
    assert len(list((root / "mypy-cache" / "wolf-0123abcd").iterdir())) == 3
    assert not row(root / "mypy-cache", only="pig-0123abcd").exists


def test_a_projects_directory_that_is_a_link_is_left_alone(root: Path, tmp_path: Path) -> None:
    tree(tmp_path / "elsewhere")
    (root / "mypy-cache" / "bears-0123abcd").symlink_to(tmp_path / "elsewhere")
    assert "left alone" in row(root / "mypy-cache", only="bears-0123abcd").refused
    assert (tmp_path / "elsewhere" / "again").exists()


def test_any_depth(root: Path) -> None:
    """More levels than a process may have files open or Python calls, and a path longer than the system takes."""
    folder = root / "pip-cache"
    handle = os.open(folder, safe_delete.DIRECTORY)
    for _ in range(3000):
        os.mkdir("deep", dir_fd=handle)
        inside = os.open("deep", safe_delete.DIRECTORY, dir_fd=handle)
        os.close(handle)
        handle = inside
    os.close(handle)
    assert row(folder, dry=True).tally.left == []
    assert empty(folder)[1] == []
    assert [path.name for path in folder.iterdir()] == [TAG_FILE]


def test_a_bind_mount_of_the_same_file_system_is_not_entered(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(root / "pip-cache" / "a b" / "mounted")
    monkeypatch.setattr(safe_delete, "mounts", lambda _: {"a b/mounted"})
    before = used(root / "pip-cache" / "a b" / "mounted")
    for dry in (True, False):
        assert empty(root / "pip-cache", dry=dry) == (0, [f"{root}/pip-cache/a b/mounted: another file system"])
    assert used(root / "pip-cache" / "a b" / "mounted") == before


def test_mounts_are_read_as_the_kernel_writes_them() -> None:
    assert "proc" in safe_delete.mounts("/")
    assert safe_delete.mounts("/proc/self/fd") == set()


def test_a_directory_that_moves_away_meanwhile_ends_the_walk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "pip-cache" / "a" / "b").mkdir(parents=True)
    (root / "npm-cache" / "precious").touch()
    real = os.scandir

    def scandir(handle: int) -> Any:
        if (root / "pip-cache" / "a" / "b").exists() and os.fstat(handle).st_ino == inner:
            (root / "pip-cache" / "a" / "b").rename(root / "npm-cache" / "b")
        return real(handle)

    inner = (root / "pip-cache" / "a" / "b").stat().st_ino
    monkeypatch.setattr(os, "scandir", scandir)
    assert empty(root / "pip-cache") == (0, [f"{root}/pip-cache/a/b: it was moved during the deletion"])
    assert (root / "npm-cache" / "precious").exists()


def test_what_is_written_meanwhile_is_gone_through_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "pip-cache" / "a").mkdir()
    real, times = os.rmdir, iter(range(100))

    def rmdir(name: str, *, dir_fd: int) -> None:
        if next(times) < busy:
            (root / "pip-cache" / "a" / "new").touch()
        real(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", rmdir)
    busy = 2
    assert empty(root / "pip-cache")[1] == []
    assert not (root / "pip-cache" / "a").exists()
    (root / "pip-cache" / "a").mkdir()
    busy = 1000
    found = row(root / "pip-cache")
    assert [one.path for one in found.tally.left] == ["a"]
    assert clear_report.find_failure([found]) is None


def test_ctrl_c_leaves_fewer_files_and_a_true_tally(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        (root / "pip-cache" / str(number)).write_bytes(b"x" * 4096)
    real = os.unlink

    def unlink(name: str, *, dir_fd: int) -> None:
        if len(list((root / "pip-cache").iterdir())) == 3:
            raise KeyboardInterrupt
        real(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink)
    found = clear_caches.CacheClearing(BY_NAME["pip-cache"], root / "pip-cache")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all that is wanted
    with pytest.raises(KeyboardInterrupt):
        clear_caches.clear(found)
    assert (found.tally.removed, found.tally.freed) == (2, 8192)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@pytest.mark.parametrize("dry", [True, False])
def test_somebody_elses_cache_is_left_alone(root: Path, monkeypatch: pytest.MonkeyPatch, dry: bool) -> None:
    (root / "pip-cache" / "file").touch()
    monkeypatch.setattr(ownership, "owner", lambda: (os.getuid() + 1, 0))
    assert empty(root / "pip-cache", dry=dry)[1] == [f"{root / 'pip-cache'} belongs to user {os.getuid()}: left alone"]
    assert (root / "pip-cache" / "file").exists()


def test_a_read_only_file_system_is_told_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        (root / "pip-cache" / str(number)).touch()
    tree(root / "pip-cache" / "folder")

    def unlink(name: str, *, dir_fd: int) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "unlink", unlink)
    found = row(root / "pip-cache")
    assert str(clear_report.find_failure([found])) == (
        f"could not remove {root}/pip-cache: Read-only file system. "
        "Mount that file system writable, or choose another root with GOLDI_CACHE_ROOT."
    )


def test_what_even_root_may_not_is_told_with_a_remedy(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "pip-cache" / "file").touch()

    def unlink(name: str, *, dir_fd: int) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "unlink", unlink)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "`lsattr` shows immutable files" in str(clear_report.find_failure([row(root / "pip-cache")]))


def test_the_remedy_without_a_container_is_a_command_to_paste(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = clear_caches.CacheClearing(BY_NAME["mypy-cache"], Path("/a 'b/mypy-cache"))
    found.tally.left = [safe_delete.NotDeleted("x", "Permission denied", errno.EACCES)]
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    said = str(clear_report.find_failure([found]))
    command = shlex.split(said.partition("Run `")[2].partition("`")[0])
    assert command[0] == "sudo"
    assert command[-4:] == [safe_delete.__file__, "/a 'b/mypy-cache", "", "keys"]


def test_names_of_files_do_nothing_to_a_terminal() -> None:
    assert clear_report.escape_unprintable("a\x1b[2J\udcff ü") == "a\\x1b[2J\\udcff ü"


@pytest.mark.parametrize("name", ["walk", "again"])
def test_walk_runs_alone(root: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """As in a container and through sudo; `again` is a directory that took the place of the one that is meant."""
    folder = root / "pip-cache"
    tree(folder)
    found = folder.stat()
    inode = found.st_ino if name == "walk" else found.st_ino + 1
    code = safe_delete.main([str(folder), "", "-", f"{found.st_dev}:{inode}"])
    assert code == (0 if name == "walk" else 1)
    assert len(list(folder.iterdir())) == (1 if name == "walk" else 4)
    out = capsys.readouterr().out
    assert not out or json.loads(out)["removed"] == 3


def test_walk_alone_wants_a_tag_and_follows_no_link(root: Path, tmp_path: Path) -> None:
    tree(tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to(root / "pip-cache")
    tree(root / "pip-cache")
    assert safe_delete.main([str(tmp_path / "elsewhere"), "", "-"]) == 1
    assert safe_delete.main([str(tmp_path / "link"), "", "-"]) == 1
    assert (
        used(tmp_path / "elsewhere")
        == used(root / "pip-cache") - (root / "pip-cache" / TAG_FILE).stat().st_blocks * 512
    )


def test_which_caches_a_project_has() -> None:
    assert {cache.scope for cache in clear_caches.select_caches((), every=False, project=True)} == {"project"}
    assert [cache.name for cache in clear_caches.select_caches(("ruff-cache",), every=False, project=True)] == [
        "ruff-cache"
    ]
    with pytest.raises(UnknownName, match=r"'pip-cache' is shared by all projects\. Leave out --project"):
        clear_caches.select_caches(("pip-cache",), every=False, project=True)


def test_a_name_twice_is_once() -> None:
    assert len(clear_caches.select_caches(("pip-cache", "pip-cache"), every=False)) == 1


def test_a_root_that_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CacheRefused, match="is not a directory"):
        clear_caches.plan_clearing(Roots(tmp_path / "file"), CACHES)


def test_a_file_in_a_cache_directorys_place_is_left_alone(root: Path) -> None:
    (root / "pip-cache" / TAG_FILE).unlink()
    (root / "pip-cache").rmdir()
    (root / "pip-cache").touch()
    assert empty(root / "pip-cache") == (0, [f"{root / 'pip-cache'} is not a directory: left alone"])


def test_directories_of_our_own_that_are_locked_are_no_obstacle(root: Path) -> None:
    tree(root / "pip-cache" / "locked")
    (root / "pip-cache" / "locked" / "a").chmod(0)
    (root / "pip-cache" / "locked").chmod(0o555)
    assert empty(root / "pip-cache")[1] == []
    assert [path.name for path in (root / "pip-cache").iterdir()] == [TAG_FILE]


@pytest.mark.skipif(not may_give(), reason="only root with his capabilities can give files away")
def test_only_what_another_user_left(root: Path) -> None:
    """Of ours nothing goes, nor does it get another mode; of theirs all goes, with what of ours is in it."""
    folder = root / "pip-cache"
    for name in ("ours/deep", "theirs/deep"):
        (folder / name).mkdir(parents=True)
        (folder / name / "file").touch()
    (folder / "ours/deep/theirs").symlink_to("/etc")
    (folder / "ours/link").symlink_to(folder / "theirs")
    (folder / "ours/deep").chmod(0o500)
    for name in ("theirs", "ours/deep/theirs"):
        os.chown(folder / name, 4242, 4242, follow_symlinks=False)
    before = {path.name for path in (folder / "ours").rglob("*")}
    for dry in (True, False):
        found = clear_caches.CacheClearing(BY_NAME[folder.name], folder)
        clear_caches.clear(found, dry=dry, strangers=True)
        assert (found.tally.removed, found.tally.left) == (2, [])
        assert (folder / "theirs").exists() is dry
    assert {path.name for path in (folder / "ours").rglob("*")} == before - {"theirs"}
    assert (folder / "ours/deep").stat().st_mode & 0o777 == 0o500
    assert Path("/etc/passwd").exists()
    assert (folder / TAG_FILE).exists()
