"""Create cache directories, and refuse those that another user created or can modify.

`/tmp` is shared with other users, and another user can create a predictable name there first. So directories are
created one by one, no symbolic link below the root is followed, and an existing directory is neither chmod-ed nor
chown-ed.
"""

import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from goldi_tasks import atomic, ownership
from goldi_tasks.cache import last_use, safe_delete
from goldi_tasks.client import run_arguments
from goldi_tasks.errors import CacheRefused
from goldi_tasks.paths import CACHES, TAG_FILE, TAG_TEXT, Cache, Roots
from goldi_tasks.settings import Settings

_REMOVE_IT = "Remove it yourself if it is in the way"


def set_up(roots: Roots, caches: Iterable[Cache] = CACHES) -> None:
    """Create the directory of each of `caches`, with mode 0700 and a CACHEDIR.TAG. Raises CacheRefused."""
    for cache in caches:
        _make_cache(roots, cache)


def ensure(roots: Roots, directory: Path) -> None:
    """Create `directory`, which is inside a cache, and its parents, and mark them as used. Raises CacheRefused.

    Marked are the directories that `cache.status` measures and `cache.prune` removes: the cache's and the project's.
    """
    cache = next(cache for cache in CACHES if directory.is_relative_to(roots.folder(cache)))
    folder = _make_cache(roots, cache)
    last_use.mark_used(folder)
    for depth, part in enumerate(directory.relative_to(folder).parts):
        folder /= part
        _make_directory(folder)
        if depth == 0:
            last_use.mark_used(folder)


def _make_cache(roots: Roots, cache: Cache) -> Path:
    """Create and tag the directory of `cache`, and return it. Raises CacheRefused."""
    folder = roots.folder(cache)
    if _make_root(folder.parent) and roots.moved and folder.parent == roots.root:
        print(f"goldi: {roots.moved}", file=sys.stderr, flush=True)
    if not _make_directory(folder, {TAG_FILE: TAG_TEXT}):
        _tag(folder)
    return folder


def has_cache_tag(directory: Path) -> bool:
    """Return whether `directory` has a CACHEDIR.TAG (https://bford.info/cachedir/)."""
    try:
        handle = os.open(directory, safe_delete.DIRECTORY)
    except OSError:
        return False
    try:
        return safe_delete.has_cache_tag(handle)
    finally:
        os.close(handle)


@contextmanager
def open_directory(folder: Path) -> Iterator[int | None]:
    """Open `folder` and yield its file descriptor, None if it does not exist.

    Raises CacheRefused if it is a symbolic link or cannot be opened.
    """
    try:
        handle = os.open(folder, safe_delete.DIRECTORY)
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        reason = "is not a directory" if error.errno == errno.ENOTDIR else f"cannot be opened: {error.strerror}"
        if folder.is_symlink():
            reason = "is a symbolic link"
        raise CacheRefused(f"{folder} {reason}: left alone", _REMOVE_IT) from error
    try:
        yield handle
    finally:
        os.close(handle)


def check_owner_and_tag(folder: Path, handle: int) -> None:
    """Raise CacheRefused unless the cache directory open as `handle` belongs to our user and has a CACHEDIR.TAG."""
    uid = os.fstat(handle).st_uid
    if uid != ownership.owner()[0]:
        raise CacheRefused(f"{folder} belongs to user {uid}: left alone", _REMOVE_IT)
    if not safe_delete.has_cache_tag(handle):
        raise CacheRefused(f"{folder} has no {TAG_FILE} of a cache: left alone", _REMOVE_IT)


def _make_root(root: Path) -> bool:
    """Create the cache root and its parents, and return whether the root is new. Raises CacheRefused.

    The root may be a symbolic link (it is one on macOS) and may belong to root, but not to another user.
    """
    is_new = False
    if problem_and_remedy := ownership.find_problem(root, "another root with GOLDI_CACHE_ROOT"):
        raise CacheRefused(*problem_and_remedy)
    for folder in (*reversed(root.parents), root):
        if not folder.exists():
            is_new = _make_directory(folder)
    if not root.is_dir():
        raise CacheRefused(f"{root} is not a directory", "Choose another root with GOLDI_CACHE_ROOT")
    return is_new


def _make_directory(folder: Path, files: Mapping[str, str] | None = None) -> bool:
    """Create `folder` with `files` (content by name) in it, and return True; or check the existing one: False.

    Raises CacheRefused.
    """
    try:
        is_new = atomic.make_directory(folder, 0o700, ownership.owner(), files)
    except OSError as error:
        problem = f"{folder} cannot be made: {error.strerror}"
        raise CacheRefused(problem, "Choose another root with GOLDI_CACHE_ROOT or `cache-root`") from error
    if not is_new:
        _check_existing(folder)
    return is_new


def _check_existing(folder: Path) -> None:
    """Raise CacheRefused unless `folder` is a directory that belongs to our user and that no other user can modify."""
    status = folder.lstat()
    remedy = "Remove it, or choose another root with GOLDI_CACHE_ROOT"
    if stat.S_ISLNK(status.st_mode):
        raise CacheRefused(f"{folder} is a symbolic link", remedy)
    if not stat.S_ISDIR(status.st_mode):
        raise CacheRefused(f"{folder} is not a directory", remedy)
    if status.st_uid != ownership.owner()[0]:
        raise CacheRefused(f"{folder} belongs to user {status.st_uid}", remedy)
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CacheRefused(f"others may write to {folder}", f"Run `chmod go-w '{folder}'`, or choose another root")


def _tag(folder: Path) -> None:
    """Write a CACHEDIR.TAG if `folder` is empty. A directory with other content gets none, so it is never cleared."""
    if has_cache_tag(folder) or any(folder.iterdir()):
        return
    atomic.write(folder / TAG_FILE, TAG_TEXT.encode(), owner=ownership.owner())


def create_mount_directories(settings: Settings) -> None:
    """Create the cache directories that containers mount, and the mount points in the project. Raises CacheRefused."""
    for _, directory, mount_point in run_arguments.mounts(settings):
        ensure(settings.roots, directory)
        if Path(mount_point).is_relative_to(settings.project):
            # Otherwise the engine creates the mount point as root.
            atomic.make_directory(Path(mount_point), 0o777, ownership.owner())
