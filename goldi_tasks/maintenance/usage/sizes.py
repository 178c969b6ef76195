"""Measure the cache directories: size, files, last use, and file system."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks import ownership
from goldi_tasks.cache import cache_directories, last_use
from goldi_tasks.cache.file_system import file_system
from goldi_tasks.cache.safe_delete import DIRECTORY, KEY, Tally, empty_directory
from goldi_tasks.errors import CacheRefused
from goldi_tasks.maintenance.clear_report import escape_unprintable
from goldi_tasks.maintenance.usage import count
from goldi_tasks.maintenance.usage.count import Counted, DirectoryUsage
from goldi_tasks.paths import CACHES, Cache, Roots


@dataclass(frozen=True)
class Disk:
    """The file system of a cache: its type, "" if unknown, and bytes."""

    type: str
    free: int
    capacity: int


@dataclass(frozen=True)
class ProjectSize:
    """The directory of a project in a cache. `project` is the path of the project, "" if unknown."""

    key: str
    project: str
    bytes: int
    files: int
    last_use: float


@dataclass(frozen=True)
class CacheUsage:
    """A cache directory: bytes on disk and files in it; links count as themselves.

    `last_use` is the newest change in it, or the last time it was handed to a build or container, in seconds since the
    epoch; 0 if it does not exist. `refused` is why `cache.clear` would not empty it, "" if it would. `unreadable` are
    directories that the caller cannot read. `projects` are the directories of projects, in caches of scope "project".
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
    projects: tuple[ProjectSize, ...] = ()


def _ignore(files: int) -> None:
    """Do nothing with the count."""


def measure(roots: Roots, report_count: Callable[[int], None] = _ignore, *, fast: bool = True) -> list[CacheUsage]:
    """Measure every known cache; `report_count` is called with the number of files counted so far.

    Unless `fast`, or where `du` cannot be used, one process reads the status of every file.
    """
    folders = {cache: roots.folder(cache) for cache in CACHES}
    counted = count.count(folders.values(), report_count) if fast else {}
    try:
        mountinfo = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        mountinfo = ""
    return [_measure(cache, folder, counted.get(folder), mountinfo) for cache, folder in folders.items()]


def measure_cache(cache: Cache, folder: Path) -> DirectoryUsage:
    """Measure a single cache."""
    counted = count.count([folder], _ignore).get(folder)
    if counted:
        return counted.whole
    with cache_directories.open_directory(folder) as handle:
        return _walk_parts(cache, folder, handle).whole if handle is not None else DirectoryUsage()


def remarks(size: CacheUsage) -> list[str]:
    """Return the remarks for people about a cache: why it is refused, and how much of it is unreadable."""
    lines = [escape_unprintable(size.refused)] if size.refused else []
    if size.unreadable:
        lines.append(f"{escape_unprintable(str(size.path))}: {len(size.unreadable)} directories cannot be read")
    return lines


def _measure(cache: Cache, folder: Path, counted: Counted | None, mountinfo: str) -> CacheUsage:
    refused, disk = "", _disk(folder, mountinfo)
    try:
        with cache_directories.open_directory(folder) as handle:
            if handle is None:
                return CacheUsage(cache.name, cache.scope, folder, disk=disk)
            counted = counted or _walk_parts(cache, folder, handle)
            cache_directories.check_owner_and_tag(folder, handle)
    except CacheRefused as error:
        refused = error.problem
    except OSError as error:
        refused = f"{folder} cannot be read: {error.strerror}"
    counted = counted or Counted()
    return CacheUsage(
        cache.name,
        cache.scope,
        folder,
        exists=folder.is_dir() and not folder.is_symlink(),
        tagged=cache_directories.has_cache_tag(folder),
        bytes=counted.whole.bytes,
        files=counted.whole.files,
        last_use=counted.whole.newest,
        disk=disk,
        refused=refused,
        unreadable=tuple(str(folder / path) for path in counted.unreadable),
        projects=tuple(_part(name, usage) for name, usage in sorted(counted.parts.items()))
        if cache.scope == "project"
        else (),
    )


def _part(name: str, usage: DirectoryUsage) -> ProjectSize:
    project = last_use.read_project_path(name) if KEY.fullmatch(name) else None
    return ProjectSize(name, str(project or ""), usage.bytes, usage.files, usage.newest)


def _walk_parts(cache: Cache, folder: Path, handle: int) -> Counted:
    """Measure the open directory and its subdirectories file by file."""
    whole = _walk(handle, folder)
    counted = Counted(DirectoryUsage(whole.bytes, whole.files, whole.newest), unreadable=whole.unreadable)
    if cache.scope == "project":
        for name in sorted(os.listdir(handle)):
            try:
                subdirectory = os.open(name, DIRECTORY, dir_fd=handle)
            except OSError:
                continue
            try:
                tally = _walk(subdirectory, folder / name)
            finally:
                os.close(subdirectory)
            counted.parts[name] = DirectoryUsage(tally.bytes, tally.files, tally.newest)
    return counted


def _walk(handle: int, folder: Path) -> Tally:
    tally = Tally()
    empty_directory(handle, str(folder), tally, act=False, owner=ownership.owner()[0])
    return tally


def _disk(folder: Path, mountinfo: str) -> Disk:
    """Return the file system that `folder` is on, or would be on."""
    existing = next((path for path in (folder, *folder.parents) if path.is_dir()), Path("/"))
    status = os.statvfs(existing)
    kind = file_system(existing, mountinfo) if mountinfo else ""
    return Disk(kind, status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize)
