"""Unpack a cache into a staging directory, and exchange its content with that of the current cache.

The directory of a cache itself stays, because containers have it mounted: the names at its top are exchanged, one by
one. A journal with these names is written first, so that the next save or restore finishes an interrupted exchange.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldi_tasks import locks, ownership
from goldi_tasks.atomic import exchange
from goldi_tasks.cache import cache_directories
from goldi_tasks.cache.safe_delete import DIRECTORY, Tally, empty_directory
from goldi_tasks.errors import CacheRefused
from goldi_tasks.maintenance.archive.reader import names_in

PREFIX = ".goldi-restore-"
_JOURNAL = "journal"
_NEW, _OLD = "new", "old"
_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


@dataclass(frozen=True)
class StagingDirectory:
    """An open staging directory: its path and its file descriptor."""

    path: Path
    handle: int


@contextmanager
def locked(folder: Path) -> Iterator[int | None]:
    """Open and lock the cache directory `folder`, and yield its file descriptor, None if it does not exist.

    An interrupted restore in it is finished or undone. Raises CacheRefused.
    """
    with cache_directories.open_directory(folder) as top:
        if top is not None:
            locks.acquire(top)
            cache_directories.check_owner_and_tag(folder, top)
            for name in [name for name in names_in(top) if name.startswith(PREFIX)]:
                _recover(top, folder, name)
        yield top


@contextmanager
def staged(folder: Path, top: int, name: str) -> Iterator[StagingDirectory]:
    """Create a staging directory in the cache directory `folder`, open as `top`; delete it in the end."""
    try:
        _mkdir(f"{PREFIX}{name}", top)
        handle = os.open(f"{PREFIX}{name}", DIRECTORY, dir_fd=top)
        try:
            for subdirectory in (_NEW, _OLD):
                _mkdir(subdirectory, handle)
            yield StagingDirectory(folder / f"{PREFIX}{name}", handle)
        finally:
            os.close(handle)
    finally:
        _recover(top, folder, f"{PREFIX}{name}")


def commit(staging: StagingDirectory, top: int, only: str, *, keep: frozenset[str], others: bool) -> None:
    """Replace the content of the directory `only` in the cache directory `top`, "" for that itself, by the staged one.

    Names in `keep` stay; with `others` also all names that are not staged. Raises CacheRefused, with the cache
    unchanged.
    """
    target = os.open(only or ".", DIRECTORY, dir_fd=top)
    new_handle = os.open(_NEW, DIRECTORY, dir_fd=staging.handle)
    try:
        inodes = {name: _get_inode(name, new_handle) for name in names_in(new_handle)}
        removed = [] if others else [name for name in names_in(target) if name not in inodes and name not in keep]
        removed = [name for name in removed if not name.startswith(".goldi-")]
        _write_journal(staging.handle, {"only": only, "new": inodes, "gone": removed})
        try:
            _roll_forward(staging.handle, target, inodes, removed)
        except OSError as error:
            _roll_back(staging.handle, target, inodes, removed)
            os.unlink(_JOURNAL, dir_fd=staging.handle)
            raise CacheRefused(f"{staging.path.parent / only}: {error.strerror}: left as it was") from error
        os.unlink(_JOURNAL, dir_fd=staging.handle)
    finally:
        os.close(new_handle)
        os.close(target)


def new(staging: StagingDirectory) -> int:
    """Open the directory to unpack into, and return its file descriptor."""
    return os.open(_NEW, DIRECTORY, dir_fd=staging.handle)


def _roll_forward(handle: int, target: int, inodes: dict[str, int], removed: list[str]) -> None:
    """Do the steps that are not done yet: exchange the names in `inodes`, and move those in `removed` to `old`."""
    new_handle, old_handle = (os.open(name, DIRECTORY, dir_fd=handle) for name in (_NEW, _OLD))
    try:
        for name, inode in inodes.items():
            if _get_inode(name, new_handle) != inode:
                continue  # it is exchanged already
            if _get_inode(name, target):
                exchange(name, target, name, new_handle)
            else:
                os.rename(name, name, src_dir_fd=new_handle, dst_dir_fd=target)
        for name in removed:
            # A name that is in `old` already was created again by a tool: it stays.
            if not _get_inode(name, old_handle):
                with suppress(FileNotFoundError):
                    os.rename(name, name, src_dir_fd=target, dst_dir_fd=old_handle)
    finally:
        os.close(new_handle)
        os.close(old_handle)


def _roll_back(handle: int, target: int, inodes: dict[str, int], removed: list[str]) -> None:
    """Undo the steps that are done, as far as possible."""
    new_handle, old_handle = (os.open(name, DIRECTORY, dir_fd=handle) for name in (_NEW, _OLD))
    try:
        for name, inode in inodes.items():
            with suppress(OSError):
                if _get_inode(name, target) == inode and _get_inode(name, new_handle):
                    exchange(name, target, name, new_handle)
                elif _get_inode(name, target) == inode:
                    os.rename(name, name, src_dir_fd=target, dst_dir_fd=new_handle)
        for name in removed:
            with suppress(OSError):
                if not _get_inode(name, target):
                    os.rename(name, name, src_dir_fd=old_handle, dst_dir_fd=target)
    finally:
        os.close(new_handle)
        os.close(old_handle)


def _recover(top: int, folder: Path, name: str) -> None:
    """Finish an interrupted exchange if there is a journal, and delete the staging directory `name`."""
    try:
        handle = os.open(name, DIRECTORY, dir_fd=top)
    except FileNotFoundError:
        return
    except OSError as error:
        raise CacheRefused(f"{folder / name} is in the way", "Remove it yourself") from error
    try:
        if (journal := _read_journal(handle)) is not None:
            with suppress(FileNotFoundError):
                target = os.open(journal["only"] or ".", DIRECTORY, dir_fd=top)
                try:
                    _roll_forward(handle, target, journal["new"], journal["gone"])
                finally:
                    os.close(target)
            os.unlink(_JOURNAL, dir_fd=handle)
        empty_directory(handle, str(folder / name), Tally(), act=True, owner=ownership.owner()[0])
    except OSError as error:
        problem = f"the restore in {folder / name} cannot be finished or removed: {error.strerror}"
        raise CacheRefused(problem, "Remove it yourself") from error
    finally:
        os.close(handle)
    # Files of another user stay; the next save or restore tries again.
    with suppress(OSError):
        os.rmdir(name, dir_fd=top)


def _write_journal(handle: int, journal: dict[str, Any]) -> None:
    """Write the journal atomically: to a temporary file that is then renamed."""
    draft = os.open(f"{_JOURNAL}.new", _FILE, 0o600, dir_fd=handle)
    with os.fdopen(draft, "w", encoding="ascii") as file:
        json.dump(journal, file)
    os.rename(f"{_JOURNAL}.new", _JOURNAL, src_dir_fd=handle, dst_dir_fd=handle)


def _read_journal(handle: int) -> dict[str, Any] | None:
    """Return the journal, None if it does not exist or is invalid."""
    try:
        journal_handle = os.open(_JOURNAL, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
        with os.fdopen(journal_handle, encoding="ascii") as file:
            journal = json.load(file)
        names = [*([journal["only"]] if journal["only"] else []), *journal["new"], *journal["gone"]]
        is_valid = all(isinstance(name, str) and "/" not in name and name not in ("", ".", "..") for name in names)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return dict(journal) if is_valid else None


def _mkdir(name: str, top: int) -> None:
    os.mkdir(name, 0o700, dir_fd=top)


def _get_inode(name: str, top: int) -> int:
    """Return the inode number of `name` in the open directory `top`, 0 if it does not exist."""
    try:
        return os.stat(name, dir_fd=top, follow_symlinks=False).st_ino
    except FileNotFoundError:
        return 0
