"""Where a cache is unpacked before anybody sees it, and how it takes the place of the one that is there.

The directory of a cache stays the same one, since containers have it mounted: what is at its top changes places, name
by name. What that will be is written down first, so that a kill in the middle is finished by whoever comes next.
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
from goldi_tasks.cache.safe_delete import DIRECTORY, Tally, walk
from goldi_tasks.errors import CacheRefused
from goldi_tasks.maintenance.archive.reader import names_in

PREFIX = ".goldi-restore-"
_JOURNAL = "journal"
_NEW, _OLD = "new", "old"
_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


@dataclass(frozen=True)
class Stage:
    """A staging directory, open: its path and its handle."""

    path: Path
    handle: int


@contextmanager
def locked(folder: Path) -> Iterator[int | None]:
    """The cache directory `folder`, open, while nobody else saves or restores it; what a killed one left is settled.

    None if it is not there. Raises CacheRefused.
    """
    with cache_directories.opened(folder) as top:
        if top is not None:
            locks.acquire(top)
            cache_directories.check_ours(folder, top)
            for name in [name for name in names_in(top) if name.startswith(PREFIX)]:
                _settle(top, folder, name)
        yield top


@contextmanager
def staged(folder: Path, top: int, name: str) -> Iterator[Stage]:
    """A new staging directory in the cache directory `folder`, open as `top`; what is left in it goes in the end."""
    try:
        _mkdir(f"{PREFIX}{name}", top)
        handle = os.open(f"{PREFIX}{name}", DIRECTORY, dir_fd=top)
        try:
            for inside in (_NEW, _OLD):
                _mkdir(inside, handle)
            yield Stage(folder / f"{PREFIX}{name}", handle)
        finally:
            os.close(handle)
    finally:
        _settle(top, folder, f"{PREFIX}{name}")


def commit(stage: Stage, top: int, only: str, *, keep: frozenset[str], others: bool) -> None:
    """Let what was staged take the place of what is in `only` of the cache directory `top` ("" for that itself).

    What is called as in `keep` stays, and with `others` all that the staged has no name for. Raises CacheRefused with
    everything as it was.
    """
    target = os.open(only or ".", DIRECTORY, dir_fd=top)
    new = os.open(_NEW, DIRECTORY, dir_fd=stage.handle)
    try:
        names = {name: _inode(name, new) for name in names_in(new)}
        gone = [] if others else [name for name in names_in(target) if name not in names and name not in keep]
        gone = [name for name in gone if not name.startswith(".goldi-")]
        _write(stage.handle, {"only": only, "new": names, "gone": gone})
        try:
            _forward(stage.handle, target, names, gone)
        except OSError as error:
            _back(stage.handle, target, names, gone)
            os.unlink(_JOURNAL, dir_fd=stage.handle)
            raise CacheRefused(f"{stage.path.parent / only}: {error.strerror}: left as it was") from error
        os.unlink(_JOURNAL, dir_fd=stage.handle)
    finally:
        os.close(new)
        os.close(target)


def new(stage: Stage) -> int:
    """A handle of the directory that is filled."""
    return os.open(_NEW, DIRECTORY, dir_fd=stage.handle)


def _forward(handle: int, target: int, names: dict[str, int], gone: list[str]) -> None:
    """Do what is left to do of it."""
    new, old = (os.open(name, DIRECTORY, dir_fd=handle) for name in (_NEW, _OLD))
    try:
        for name, inode in names.items():
            if _inode(name, new) != inode:
                continue  # it is in its place already
            if _inode(name, target):
                exchange(name, target, name, new)
            else:
                os.rename(name, name, src_dir_fd=new, dst_dir_fd=target)
        for name in gone:
            # A tool may have made one again meanwhile: then that one stays.
            if not _inode(name, old):
                with suppress(FileNotFoundError):
                    os.rename(name, name, src_dir_fd=target, dst_dir_fd=old)
    finally:
        os.close(new)
        os.close(old)


def _back(handle: int, target: int, names: dict[str, int], gone: list[str]) -> None:
    """Undo what can be undone of it."""
    new, old = (os.open(name, DIRECTORY, dir_fd=handle) for name in (_NEW, _OLD))
    try:
        for name, inode in names.items():
            with suppress(OSError):
                if _inode(name, target) == inode and _inode(name, new):
                    exchange(name, target, name, new)
                elif _inode(name, target) == inode:
                    os.rename(name, name, src_dir_fd=target, dst_dir_fd=new)
        for name in gone:
            with suppress(OSError):
                if not _inode(name, target):
                    os.rename(name, name, src_dir_fd=old, dst_dir_fd=target)
    finally:
        os.close(new)
        os.close(old)


def _settle(top: int, folder: Path, name: str) -> None:
    """Finish what a staging directory was about to do, if it came that far, and remove it."""
    try:
        handle = os.open(name, DIRECTORY, dir_fd=top)
    except FileNotFoundError:
        return
    except OSError as error:
        raise CacheRefused(f"{folder / name} is in the way", "Remove it yourself") from error
    try:
        if (plan := _read(handle)) is not None:
            with suppress(FileNotFoundError):
                target = os.open(plan["only"] or ".", DIRECTORY, dir_fd=top)
                try:
                    _forward(handle, target, plan["new"], plan["gone"])
                finally:
                    os.close(target)
            os.unlink(_JOURNAL, dir_fd=handle)
        walk(handle, str(folder / name), Tally(), act=True, owner=ownership.owner()[0])
    except OSError as error:
        raise CacheRefused(f"{folder / name} cannot be settled: {error.strerror}", "Remove it yourself") from error
    finally:
        os.close(handle)
    # What another user left in it stays, and is tried again by the next one.
    with suppress(OSError):
        os.rmdir(name, dir_fd=top)


def _write(handle: int, plan: dict[str, Any]) -> None:
    """As a whole or not at all."""
    draft = os.open(f"{_JOURNAL}.new", _FILE, 0o600, dir_fd=handle)
    with os.fdopen(draft, "w", encoding="ascii") as file:
        json.dump(plan, file)
    os.rename(f"{_JOURNAL}.new", _JOURNAL, src_dir_fd=handle, dst_dir_fd=handle)


def _read(handle: int) -> dict[str, Any] | None:
    """What was written down, None if it was not, or is not what we write."""
    try:
        draft = os.open(_JOURNAL, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
        with os.fdopen(draft, encoding="ascii") as file:
            plan = json.load(file)
        names = [plan["only"] or "here", *plan["new"], *plan["gone"]]
        sound = all(isinstance(name, str) and "/" not in name and name not in ("", ".", "..") for name in names)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return dict(plan) if sound else None


def _mkdir(name: str, top: int) -> None:
    os.mkdir(name, 0o700, dir_fd=top)


def _inode(name: str, top: int) -> int:
    """The number of what is called `name`, 0 if nothing is."""
    try:
        return os.stat(name, dir_fd=top, follow_symlinks=False).st_ino
    except FileNotFoundError:
        return 0
