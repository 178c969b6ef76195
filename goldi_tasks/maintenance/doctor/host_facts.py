"""What is asked of this machine's own files."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from goldi_tasks import ownership
from goldi_tasks.cache import cache_directories, file_system
from goldi_tasks.cache.safe_delete import TAG, Tally, walk
from goldi_tasks.maintenance.doctor.collect import LATE, together
from goldi_tasks.maintenance.doctor.facts import Folder, Root, Space
from goldi_tasks.paths import BY_NAME, CACHES, Cache, Roots
from goldi_tasks.settings import Settings

# Seconds for going through a cache.
LOOK = 1.5
# What tools leave in a project, and what a container that was root left of it.
_LEFT = (
    *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".nox", ".tox", ".venv", "__pycache__", ".coverage", "htmlcov"),
    *("build", "dist", "node_modules", "frontend/node_modules", "frontend/dist"),
)


def roots(where: Roots) -> tuple[Root, ...]:
    """Every root, with the file system that it is on, or will be."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8") if Path("/proc/self/mountinfo").exists() else ""
    return tuple(
        Root(path, path.is_dir(), file_system.file_system(path, mounts), space(path)) for path in sorted(where.all)
    )


def space(path: Path) -> Space | None:
    """The file system of `path`, or of what is above it where that is not there or not ours to ask."""
    for folder in (path, *path.parents):
        try:
            found = os.statvfs(folder)
        except OSError:
            continue
        size, read_only = found.f_frsize, bool(found.f_flag & os.ST_RDONLY)
        return Space(found.f_blocks * size, found.f_bavail * size, found.f_files, found.f_favail, read_only)
    return None


def folders(where: Roots) -> tuple[Folder, ...]:
    """Every cache directory of the table."""
    with ThreadPoolExecutor() as pool:
        return tuple(pool.map(lambda cache: _folder(cache, where.folder(cache)), CACHES))


def _folder(cache: Cache, path: Path) -> Folder:
    try:
        found = path.lstat()
    except OSError:
        return Folder(cache.name, path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != ownership.owner()[0]:
        return Folder(cache.name, path, found.st_mode, found.st_uid)
    tally = Tally()
    # The tally is true of what was looked at so far.
    said = together({"": lambda: _look(path, tally)}, LOOK)[""]
    names = [entry.name for entry in os.scandir(path)] if os.access(path, os.R_OK | os.X_OK) else [""]
    return Folder(
        cache.name,
        path,
        found.st_mode,
        found.st_uid,
        tagged=cache_directories.tagged(path),
        empty=not set(names) - {TAG},
        strangers=tuple(tally.foreign),
        unread=tuple(tally.unreadable),
        whole=said is not LATE,
    )


def _look(path: Path, tally: Tally) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        walk(handle, str(path), tally, act=False, owner=ownership.owner()[0])
    finally:
        os.close(handle)


def unknown(where: Roots) -> tuple[Path, ...]:
    """Directories of ours by their names, that are in no table."""
    found = (path for root in where.all for path in root.glob(".buildx-cache-*"))
    return tuple(sorted(path for path in found if path.name not in BY_NAME))


def leftovers(settings: Settings) -> tuple[Path, ...]:
    """What tools made in the project, as another user than whose the project is."""
    ours = {settings.project.stat().st_uid, ownership.owner()[0]}
    tops = {settings.project / name for name in _LEFT} | {settings.project / settings.app / name for name in _LEFT}
    return tuple(sorted(top for top in tops if _strange(top, ours)))


def _strange(top: Path, ours: set[int]) -> bool:
    """The directory itself, or what lies right in it: deeper is not worth the time."""
    try:
        found = top.lstat()
        if not stat.S_ISDIR(found.st_mode):
            return found.st_uid not in ours
        with os.scandir(top) as entries:
            inside = {entry.stat(follow_symlinks=False).st_uid for entry in entries}
        return found.st_uid not in ours or not inside <= ours
    except PermissionError:
        return found.st_uid not in ours
    except OSError:
        return False
