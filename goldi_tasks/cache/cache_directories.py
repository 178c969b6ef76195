"""Make cache directories, and refuse those that are not ours.

`/tmp` is shared with other users, and a predictable name there can be taken by somebody else first. So
directories are made one by one, a link is never followed below the root, and what was there before is
neither chmod-ed nor chown-ed.
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
from goldi_tasks.errors import CacheRefused
from goldi_tasks.paths import CACHES, TAG_FILE, TAG_TEXT, Cache, Roots

_REMEDY = "Remove it yourself if it is in the way"


def set_up(roots: Roots, caches: Iterable[Cache] = CACHES) -> None:
    """Make every directory of `caches`, each under its root, tagged and with mode 0700. Raises CacheRefused."""
    for cache in caches:
        _make_cache(roots, cache)


def ensure(roots: Roots, directory: Path) -> None:
    """Make `directory`, which lies in a cache, and all between, and mark it as used. Raises CacheRefused.

    What is marked is the cache's own directory and that of the project, which are what is measured and removed whole.
    """
    cache = next(cache for cache in CACHES if directory.is_relative_to(roots.folder(cache)))
    folder = _make_cache(roots, cache)
    last_use.mark(folder)
    for depth, part in enumerate(directory.relative_to(folder).parts):
        folder /= part
        _make(folder)
        if depth == 0:
            last_use.mark(folder)


def _make_cache(roots: Roots, cache: Cache) -> Path:
    folder = roots.folder(cache)
    if _make_root(folder.parent) and roots.moved and folder.parent == roots.root:
        print(f"goldi: {roots.moved}", file=sys.stderr, flush=True)
    if not _make(folder, {TAG_FILE: TAG_TEXT}):
        _tag(folder)
    return folder


def tagged(directory: Path) -> bool:
    """Whether `directory` is marked as a cache (https://bford.info/cachedir/)."""
    try:
        handle = os.open(directory, safe_delete.DIRECTORY)
    except OSError:
        return False
    try:
        return safe_delete.tagged(handle)
    finally:
        os.close(handle)


@contextmanager
def opened(folder: Path) -> Iterator[int | None]:
    """A handle of `folder`, None if it is not there. Raises CacheRefused if it is a link, or cannot be opened."""
    try:
        handle = os.open(folder, safe_delete.DIRECTORY)
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
    if uid != ownership.owner()[0]:
        raise CacheRefused(f"{folder} belongs to user {uid}: left alone", _REMEDY)
    if not safe_delete.tagged(handle):
        raise CacheRefused(f"{folder} has no {TAG_FILE} of a cache: left alone", _REMEDY)


def _make_root(root: Path) -> bool:
    """Whether it was made. The root may be a link (it is one on macOS) and root's, but not another user's."""
    made = False
    if wrong := ownership.trouble(root, "another root with GOLDI_CACHE_ROOT"):
        raise CacheRefused(*wrong)
    for folder in (*reversed(root.parents), root):
        if not folder.exists():
            made = _make(folder)
    if not root.is_dir():
        raise CacheRefused(f"{root} is not a directory", "Choose another root with GOLDI_CACHE_ROOT")
    return made


def _make(folder: Path, files: Mapping[str, str] | None = None) -> bool:
    """Make `folder` with `files` in it, and give whether it was made; check what was there. Raises CacheRefused."""
    try:
        made = atomic.make_directory(folder, 0o700, ownership.owner(), files)
    except OSError as error:
        problem = f"{folder} cannot be made: {error.strerror}"
        raise CacheRefused(problem, "Choose another root with GOLDI_CACHE_ROOT or `cache-root`") from error
    if not made:
        _check(folder)
    return made


def _check(folder: Path) -> None:
    """What is there already must be a directory, ours, and writable by nobody else."""
    found = folder.lstat()
    remedy = "Remove it, or choose another root with GOLDI_CACHE_ROOT"
    if stat.S_ISLNK(found.st_mode):
        raise CacheRefused(f"{folder} is a symbolic link", remedy)
    if not stat.S_ISDIR(found.st_mode):
        raise CacheRefused(f"{folder} is not a directory", remedy)
    if found.st_uid != ownership.owner()[0]:
        raise CacheRefused(f"{folder} belongs to user {found.st_uid}", remedy)
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CacheRefused(f"others may write to {folder}", f"Run `chmod go-w '{folder}'`, or choose another root")


def _tag(folder: Path) -> None:
    """Mark what is new or empty; something that was here before us stays unmarked, and is never cleared."""
    if tagged(folder) or any(folder.iterdir()):
        return
    atomic.write(folder / TAG_FILE, TAG_TEXT.encode(), owner=ownership.owner())
