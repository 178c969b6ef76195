"""How much is in the cache directories, when it was last used, and where it lies."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks import ownership
from goldi_tasks.cache import cache_directories, last_use
from goldi_tasks.cache.file_system import file_system
from goldi_tasks.cache.safe_delete import DIRECTORY, KEY, Tally, walk
from goldi_tasks.errors import CacheRefused
from goldi_tasks.maintenance.clear_report import shown
from goldi_tasks.maintenance.usage import count
from goldi_tasks.maintenance.usage.count import Counted, Found
from goldi_tasks.paths import CACHES, Cache, Roots


@dataclass(frozen=True)
class Disk:
    """The file system that a cache lies on: its type, "" where that is not known, and bytes."""

    type: str
    free: int
    capacity: int


@dataclass(frozen=True)
class Part:
    """What a project has in a cache. `project` is where the project is or was, "" where that is not known."""

    key: str
    project: str
    bytes: int
    files: int
    last_use: float


@dataclass(frozen=True)
class Size:
    """A cache directory: bytes on disk and files in it; links count as themselves.

    `last_use` is the newest change in it, or the mark that dirs.ensure left, in seconds since the epoch; 0 if it is not
    there. `refused` says why `cache.clear` would leave it alone, "" if it would not. `unreadable` are directories that
    the caller may not look into. `projects` is who has it, of those that are kept apart by project.
    """

    name: str
    scope: str
    path: Path
    exists: bool = False
    tagged: bool = False
    bytes: int = 0
    files: int = 0
    last_use: float = 0.0
    disk: Disk = Disk("", 0, 0)
    refused: str = ""
    unreadable: tuple[str, ...] = ()
    projects: tuple[Part, ...] = ()


def _quiet(files: int) -> None:
    """Nobody is told."""


def measure(roots: Roots, tell: Callable[[int], None] = _quiet, *, fast: bool = True) -> list[Size]:
    """Every cache of the table; `tell` hears how many files were counted so far.

    Where it is not to be `fast`, or cannot be, one process looks at every file.
    """
    folders = {cache: roots.folder(cache) for cache in CACHES}
    counted = count.count(folders.values(), tell) if fast else {}
    try:
        mounted = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        mounted = ""
    return [_measure(cache, folder, counted.get(folder), mounted) for cache, folder in folders.items()]


def one(cache: Cache, folder: Path) -> Found:
    """What is in a single cache."""
    counted = count.count([folder], _quiet).get(folder)
    if counted:
        return counted.whole
    with cache_directories.opened(folder) as handle:
        return _walked(cache, folder, handle).whole if handle is not None else Found()


def remarks(size: Size) -> list[str]:
    """What people are told of a cache beside its figures."""
    said = [shown(size.refused)] if size.refused else []
    if size.unreadable:
        said.append(f"{shown(str(size.path))}: {len(size.unreadable)} directories cannot be read")
    return said


def _measure(cache: Cache, folder: Path, counted: Counted | None, mounted: str) -> Size:
    refused, disk = "", _disk(folder, mounted)
    try:
        with cache_directories.opened(folder) as handle:
            if handle is None:
                return Size(cache.name, cache.scope, folder, disk=disk)
            counted = counted or _walked(cache, folder, handle)
            cache_directories.check_ours(folder, handle)
    except CacheRefused as error:
        refused = error.problem
    except OSError as error:
        refused = f"{folder} cannot be read: {error.strerror}"
    counted = counted or Counted()
    return Size(
        cache.name,
        cache.scope,
        folder,
        exists=folder.is_dir() and not folder.is_symlink(),
        tagged=cache_directories.tagged(folder),
        bytes=counted.whole.bytes,
        files=counted.whole.files,
        last_use=counted.whole.newest,
        disk=disk,
        refused=refused,
        unreadable=tuple(str(folder / path) for path in counted.unreadable),
        projects=tuple(_part(*it) for it in sorted(counted.parts.items())) if cache.scope == "project" else (),
    )


def _part(name: str, found: Found) -> Part:
    project = last_use.place(name) if KEY.fullmatch(name) else None
    return Part(name, str(project or ""), found.bytes, found.files, found.newest)


def _walked(cache: Cache, folder: Path, handle: int) -> Counted:
    """What is in the open directory, looked at file by file."""
    whole = _looked(handle, folder)
    found = Counted(Found(whole.bytes, whole.files, whole.newest), unreadable=whole.unreadable)
    if cache.scope == "project":
        for name in sorted(os.listdir(handle)):
            try:
                inside = os.open(name, DIRECTORY, dir_fd=handle)
            except OSError:
                continue
            try:
                tally = _looked(inside, folder / name)
            finally:
                os.close(inside)
            found.parts[name] = Found(tally.bytes, tally.files, tally.newest)
    return found


def _looked(handle: int, folder: Path) -> Tally:
    tally = Tally()
    walk(handle, str(folder), tally, act=False, owner=ownership.owner()[0])
    return tally


def _disk(folder: Path, mounted: str) -> Disk:
    """What `folder` lies on, or would lie on."""
    there = next((path for path in (folder, *folder.parents) if path.is_dir()), Path("/"))
    found = os.statvfs(there)
    kind = file_system(there, mounted) if mounted else ""
    return Disk(kind, found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)
