"""`--fix`: what is safe, in directories that are ours and tagged, following no link, on one file system."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from goldi_tasks.cache import cache_directories
from goldi_tasks.errors import CacheRefused, GoldiError
from goldi_tasks.maintenance import clear_caches
from goldi_tasks.maintenance.doctor.finding import Finding, Mend
from goldi_tasks.paths import BY_NAME, CACHES, Roots
from goldi_tasks.units import format_size


def mend(
    findings: Iterable[Finding], where: Roots, images: Sequence[str], restore: Callable[[], None], *, dry: bool
) -> Iterator[str]:
    """Do what the findings say can be done; what was done, or what kept us from it, one line for each.

    `images` are those that a container may be started from that removes what other users left; `restore` writes .env.
    """
    for todo in dict.fromkeys(finding.mend for finding in findings if finding.mend):
        if dry:
            yield f"would {_words(todo, where)}"
            continue
        try:
            yield _do(todo, where, images, restore)
        except (GoldiError, OSError) as error:
            yield f"could not {_words(todo, where)}: {error}"


def _do(todo: Mend, where: Roots, images: Sequence[str], restore: Callable[[], None]) -> str:
    if todo.how == "make":
        missing = [cache for cache in CACHES if not os.path.lexists(where.folder(cache))]
        cache_directories.set_up(where, missing)
        return f"created {', '.join(str(where.folder(cache)) for cache in missing)}"
    if todo.how == "chmod":
        return _chmod(where.folder(BY_NAME[todo.name]))
    if todo.how == "remove":
        return _remove(todo, where, images)
    restore()
    return "updated the project's .env"


def _chmod(folder: Path) -> str:
    with cache_directories.opened(folder) as handle:
        if handle is None:
            raise CacheRefused(f"{folder} is gone")
        cache_directories.check_ours(folder, handle)
        os.fchmod(handle, stat.S_IMODE(os.fstat(handle).st_mode) & ~0o022 | 0o700)
    return f"only you can write to {folder} now"


def _remove(todo: Mend, where: Roots, images: Sequence[str]) -> str:
    row = clear_caches.Row(BY_NAME[todo.name], where.folder(BY_NAME[todo.name]))
    clear_caches.clear(row, images, strangers=True)
    if row.refused:
        raise CacheRefused(row.refused)
    left = [one for one in row.tally.left if one.denied]
    if left:
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        raise CacheRefused(
            f"{left[0].path or row.path}: {left[0].reason}{more}", "No engine answers, or none of its images has Python"
        )
    through = f" by a container of {row.image}" if row.image else ""
    return f"removed files of other users from {row.path}{through}, {format_size(row.tally.freed)}"


def _words(todo: Mend, where: Roots) -> str:
    folder = where.folder(BY_NAME[todo.name]) if todo.name else ""
    return {
        "make": "create the missing cache directories",
        "chmod": f"keep others from writing to {folder}",
        "remove": f"remove files of other users from {folder}",
        "env": "update the project's .env",
    }[todo.how]
