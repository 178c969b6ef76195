"""Make cache directories, and refuse those that are not ours.

`/tmp` is shared with other users, and a predictable name there can be taken by somebody else first. So
directories are made one by one, a link is never followed below the root, and what was there before is
neither chmod-ed nor chown-ed.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from goldi_tasks.cache import use, walk
from goldi_tasks.errors import CacheRefused
from goldi_tasks.paths import CACHES, TAG_FILE, TAG_TEXT, Cache

_REMEDY = "Remove it yourself if it is in the way"


def owner() -> tuple[int, int]:
    """Whose the caches are: the caller, or who called sudo to be root."""
    if os.getuid() == 0 and "SUDO_UID" in os.environ:
        return int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", "0"))
    return os.getuid(), os.getgid()


def set_up(root: Path, caches: Iterable[Cache] = CACHES) -> None:
    """Make every directory of `caches` under `root`, tagged and with mode 0700. Raises CacheRefused."""
    _make_root(root)
    for cache in caches:
        _make(root / cache.name)
        _tag(root / cache.name)


def ensure(root: Path, directory: Path) -> None:
    """Make `directory`, which lies in a cache under `root`, and all between, and mark it as used. Raises CacheRefused.

    What is marked is the cache's own directory and that of the project, which are what is measured and removed whole.
    """
    parts = directory.relative_to(root).parts
    _make_root(root)
    _make(root / parts[0])
    _tag(root / parts[0])
    for depth in range(2, len(parts) + 1):
        _make(root.joinpath(*parts[:depth]))
    for depth in range(1, min(2, len(parts)) + 1):
        use.mark(root.joinpath(*parts[:depth]))


def tagged(directory: Path) -> bool:
    """Whether `directory` is marked as a cache (https://bford.info/cachedir/)."""
    try:
        handle = os.open(directory, walk.DIRECTORY)
    except OSError:
        return False
    try:
        return walk.tagged(handle)
    finally:
        os.close(handle)


@contextmanager
def opened(folder: Path) -> Iterator[int | None]:
    """A handle of `folder`, None if it is not there. Raises CacheRefused if it is a link, or cannot be opened."""
    try:
        handle = os.open(folder, walk.DIRECTORY)
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        other = "is not a directory" if error.errno == errno.ENOTDIR else f"cannot be opened: {error.strerror}"
        kind = "is a symbolic link" if folder.is_symlink() else other
        raise CacheRefused(f"{folder} {kind}: left alone", _REMEDY) from error
    try:
        yield handle
    finally:
        os.close(handle)


def check_ours(folder: Path, handle: int) -> None:
    """That the cache directory open as `handle` is one that may be cleared. Raises CacheRefused."""
    uid = os.fstat(handle).st_uid
    if uid != owner()[0]:
        raise CacheRefused(f"{folder} belongs to user {uid}: left alone", _REMEDY)
    if not walk.tagged(handle):
        raise CacheRefused(f"{folder} has no {TAG_FILE} of a cache: left alone", _REMEDY)


def _make_root(root: Path) -> None:
    """The root may be a link (it is one on macOS) and is nobody's in particular."""
    for folder in (*reversed(root.parents), root):
        if not folder.exists():
            _make(folder)
    if not root.is_dir():
        raise CacheRefused(f"{root} is not a directory", "Choose another root with GOLDI_CACHE_ROOT")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        _check(folder)
    except OSError as error:
        problem = f"{folder} cannot be made: {error.strerror}"
        raise CacheRefused(problem, "Choose another root with GOLDI_CACHE_ROOT or `cache-root`") from error
    else:
        give(folder)


def _check(folder: Path) -> None:
    """What is there already must be a directory, ours, and writable by nobody else."""
    found = folder.lstat()
    remedy = "Remove it, or choose another root with GOLDI_CACHE_ROOT"
    if stat.S_ISLNK(found.st_mode):
        raise CacheRefused(f"{folder} is a symbolic link", remedy)
    if not stat.S_ISDIR(found.st_mode):
        raise CacheRefused(f"{folder} is not a directory", remedy)
    if found.st_uid != owner()[0]:
        raise CacheRefused(f"{folder} belongs to user {found.st_uid}", remedy)
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CacheRefused(f"others may write to {folder}", f"Run `chmod go-w '{folder}'`, or choose another root")


def _tag(folder: Path) -> None:
    """Mark what is new or empty; something that was here before us stays unmarked, and is never cleared."""
    if tagged(folder) or any(folder.iterdir()):
        return
    handle = os.open(folder / TAG_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(TAG_TEXT)
    give(folder / TAG_FILE)


def give(path: Path) -> None:
    """Under sudo, hand what we made to who called sudo."""
    if owner() != (os.getuid(), os.getgid()):
        os.chown(path, *owner(), follow_symlinks=False)
