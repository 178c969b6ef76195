"""The cache root where none was chosen: /tmp as in the guide, or the user's own where somebody has names there.

setup-cache.sh decides alike; tests hold both against each other.
"""

import os
import stat
from pathlib import Path

from goldi_tasks import ownership
from goldi_tasks.errors import CacheRefused
from goldi_tasks.paths import CACHES, DEFAULT_ROOT

# A disk, which boots do not empty.
OWN = Path("/var/tmp")


def choose(shared: Path = DEFAULT_ROOT, own: Path = OWN) -> tuple[Path, str]:
    """The root, and why it is the user's own if that is not yet made. Raises CacheRefused where neither can be had.

    Once it is there it stays the root, whatever becomes of the others' directories: what is in it would be lost else.
    """
    uid = ownership.owner()[0]
    mine = own / f"goldi-{uid}"
    before = _lstat(mine)
    if before and _is_directory_of(before, uid):
        return mine, ""
    taken = next((said for cache in CACHES if (said := _taken(shared / cache.name, uid))), "")
    if not taken:
        return shared, ""
    if before:
        problem = f"{taken}, and {_told(mine, before, uid)}"
        raise CacheRefused(problem, "Choose a directory of yours with GOLDI_CACHE_ROOT")
    return mine, f"{taken}: your caches are in {mine}"


def _taken(folder: Path, uid: int) -> str:
    found = _lstat(folder)
    return _told(folder, found, uid) if found and not _is_directory_of(found, uid) else ""


def _is_directory_of(found: os.stat_result, uid: int) -> bool:
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid


def _told(path: Path, found: os.stat_result, uid: int) -> str:
    if found.st_uid != uid:
        return f"{path} belongs to user {found.st_uid}"
    return f"{path} is {'a symbolic link' if stat.S_ISLNK(found.st_mode) else 'not a directory'}"


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None
