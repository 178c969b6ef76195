"""Choose the default cache root: /tmp as in the guide, or the user's own where another user has a cache's name in /tmp.

setup-cache.sh makes the same choice; tests compare the two.
"""

import os
import stat
from pathlib import Path

from goldi_tasks import ownership
from goldi_tasks.errors import CacheRefused
from goldi_tasks.paths import CACHES, DEFAULT_ROOT

# On a disk, which is not emptied at boot.
OWN = Path("/var/tmp")


def choose(shared: Path = DEFAULT_ROOT, own: Path = OWN) -> tuple[Path, str]:
    """Return the root, and the reason if it is the user's own and does not exist yet. Raises CacheRefused.

    Once the user's own root exists it remains the root, even if the names in `shared` become free: its caches would be
    lost otherwise. CacheRefused means that the names in both directories are taken.
    """
    uid = ownership.owner()[0]
    own_root = own / f"goldi-{uid}"
    own_status = _lstat(own_root)
    if own_status and _is_directory_of(own_status, uid):
        return own_root, ""
    obstacles = (_find_obstacle(shared / cache.name, uid) for cache in CACHES)
    obstacle = next(filter(None, obstacles), "")
    if not obstacle:
        return shared, ""
    if own_status:
        problem = f"{obstacle}, and {_describe(own_root, own_status, uid)}"
        raise CacheRefused(problem, "Choose a directory of yours with GOLDI_CACHE_ROOT")
    return own_root, f"{obstacle}: your caches are in {own_root}"


def _find_obstacle(directory: Path, uid: int) -> str:
    status = _lstat(directory)
    return _describe(directory, status, uid) if status and not _is_directory_of(status, uid) else ""


def _is_directory_of(status: os.stat_result, uid: int) -> bool:
    return stat.S_ISDIR(status.st_mode) and status.st_uid == uid


def _describe(path: Path, status: os.stat_result, uid: int) -> str:
    if status.st_uid != uid:
        return f"{path} belongs to user {status.st_uid}"
    return f"{path} is {'a symbolic link' if stat.S_ISLNK(status.st_mode) else 'not a directory'}"


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None
