"""Examine the file systems, cache directories and project files of this machine."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from goldi_tasks import ownership
from goldi_tasks.cache import cache_directories, file_system
from goldi_tasks.cache.safe_delete import TAG, Tally, empty_directory
from goldi_tasks.maintenance.doctor.collect import TIMED_OUT, call_in_parallel
from goldi_tasks.maintenance.doctor.facts import Folder, Root, Space
from goldi_tasks.paths import BY_NAME, CACHES, Cache, Roots
from goldi_tasks.settings import Settings

# Seconds for the search of one cache directory.
LOOK = 1.5
# Paths that tools create in a project, which belong to root if a container ran as root.
_TOOL_PATHS = (
    *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".nox", ".tox", ".venv", "__pycache__", ".coverage", "htmlcov"),
    *("build", "dist", "node_modules", "frontend/node_modules", "frontend/dist"),
)


def roots(cache_roots: Roots) -> tuple[Root, ...]:
    """Return every cache root, with the file system that it is on, or will be on."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8") if Path("/proc/self/mountinfo").exists() else ""
    return tuple(
        Root(path, path.is_dir(), file_system.file_system(path, mounts), space(path))
        for path in sorted(cache_roots.all)
    )


def space(path: Path) -> Space | None:
    """Return the file system of `path`, or of its nearest parent that exists and is readable; None if there is none."""
    for folder in (path, *path.parents):
        try:
            status = os.statvfs(folder)
        except OSError:
            continue
        size, read_only = status.f_frsize, bool(status.f_flag & os.ST_RDONLY)
        return Space(status.f_blocks * size, status.f_bavail * size, status.f_files, status.f_favail, read_only)
    return None


def folders(cache_roots: Roots) -> tuple[Folder, ...]:
    """Return every known cache directory with its state."""
    with ThreadPoolExecutor() as pool:
        return tuple(pool.map(lambda cache: _folder(cache, cache_roots.folder(cache)), CACHES))


def _folder(cache: Cache, path: Path) -> Folder:
    try:
        status = path.lstat()
    except OSError:
        return Folder(cache.name, path)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != ownership.owner()[0]:
        return Folder(cache.name, path, status.st_mode, status.st_uid)
    tally = Tally()
    # After a timeout the tally holds what was found so far.
    outcome = call_in_parallel({"": lambda: _search(path, tally)}, LOOK)[""]
    names = [entry.name for entry in os.scandir(path)] if os.access(path, os.R_OK | os.X_OK) else [""]
    return Folder(
        cache.name,
        path,
        status.st_mode,
        status.st_uid,
        tagged=cache_directories.has_cache_tag(path),
        empty=not set(names) - {TAG},
        strangers=tuple(tally.foreign),
        unread=tuple(tally.unreadable),
        whole=outcome is not TIMED_OUT,
    )


def _search(path: Path, tally: Tally) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        empty_directory(handle, str(path), tally, act=False, owner=ownership.owner()[0])
    finally:
        os.close(handle)


def find_unknown_directories(cache_roots: Roots) -> tuple[Path, ...]:
    """Return directories that are named like build caches and are no known cache."""
    paths = (path for root in cache_roots.all for path in root.glob(".buildx-cache-*"))
    return tuple(sorted(path for path in paths if path.name not in BY_NAME))


def find_foreign_files(settings: Settings) -> tuple[Path, ...]:
    """Return paths in the project that tools created as a user that is neither its owner nor the caches' owner."""
    owners = {settings.project.stat().st_uid, ownership.owner()[0]}
    paths = {settings.project / name for name in _TOOL_PATHS} | {
        settings.project / settings.app / name for name in _TOOL_PATHS
    }
    return tuple(sorted(path for path in paths if _is_foreign(path, owners)))


def _is_foreign(path: Path, owners: set[int]) -> bool:
    """Return whether `path`, or an entry directly in it, has another owner; deeper levels take too much time."""
    try:
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode):
            return status.st_uid not in owners
        with os.scandir(path) as entries:
            entry_owners = {entry.stat(follow_symlinks=False).st_uid for entry in entries}
        return status.st_uid not in owners or not entry_owners <= owners
    except PermissionError:
        return status.st_uid not in owners
    except OSError:
        return False
