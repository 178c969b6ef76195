"""Apply safe fixes (`--fix`): only in directories that are ours and tagged, following no link, on one file system."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from goldi_tasks.cache import cache_directories
from goldi_tasks.errors import CacheRefused, GoldiError
from goldi_tasks.maintenance import clear_caches
from goldi_tasks.maintenance.doctor.finding import Finding, Fix
from goldi_tasks.paths import BY_NAME, CACHES, Roots
from goldi_tasks.units import format_size


def apply_fixes(
    findings: Iterable[Finding], roots: Roots, images: Sequence[str], write_env: Callable[[], None], *, dry: bool
) -> Iterator[str]:
    """Apply the fixes of the findings; yield a line for each that says what was done, or why it failed.

    `images` are candidates for the container that removes files of other users; `write_env` writes the project's .env.
    """
    for fix in dict.fromkeys(finding.fix for finding in findings if finding.fix):
        if dry:
            yield f"would {_describe(fix, roots)}"
            continue
        try:
            yield _apply(fix, roots, images, write_env)
        except (GoldiError, OSError) as error:
            yield f"could not {_describe(fix, roots)}: {error}"


def _apply(fix: Fix, roots: Roots, images: Sequence[str], write_env: Callable[[], None]) -> str:
    if fix.how == "make":
        missing = [cache for cache in CACHES if not os.path.lexists(roots.folder(cache))]
        cache_directories.set_up(roots, missing)
        return f"created {', '.join(str(roots.folder(cache)) for cache in missing)}"
    if fix.how == "chmod":
        return _chmod(roots.folder(BY_NAME[fix.name]))
    if fix.how == "remove":
        return _remove(fix, roots, images)
    write_env()
    return "updated the project's .env"


def _chmod(folder: Path) -> str:
    with cache_directories.open_directory(folder) as handle:
        if handle is None:
            raise CacheRefused(f"{folder} is gone")
        cache_directories.check_owner_and_tag(folder, handle)
        os.fchmod(handle, stat.S_IMODE(os.fstat(handle).st_mode) & ~0o022 | 0o700)
    return f"only you can write to {folder} now"


def _remove(fix: Fix, roots: Roots, images: Sequence[str]) -> str:
    row = clear_caches.CacheClearing(BY_NAME[fix.name], roots.folder(BY_NAME[fix.name]))
    clear_caches.clear(row, images, strangers=True)
    if row.refused:
        raise CacheRefused(row.refused)
    denied = [entry for entry in row.tally.left if entry.denied]
    if denied:
        more = f" and {len(denied) - 1} more" if len(denied) > 1 else ""
        raise CacheRefused(
            f"{denied[0].path or row.path}: {denied[0].reason}{more}",
            "No engine answers, or none of its images has Python",
        )
    container = f" by a container of {row.image}" if row.image else ""
    return f"removed files of other users from {row.path}{container}, {format_size(row.tally.freed)}"


def _describe(fix: Fix, roots: Roots) -> str:
    folder = roots.folder(BY_NAME[fix.name]) if fix.name else ""
    return {
        "make": "create the missing cache directories",
        "chmod": f"keep others from writing to {folder}",
        "remove": f"remove files of other users from {folder}",
        "env": "update the project's .env",
    }[fix.how]
