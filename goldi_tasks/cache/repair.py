"""Remove damaged local build caches: checked by names and sizes before every build, by content in `cache.verify`.

A build fails if a cached layer is truncated, changed or missing: BuildKit has no fallback. Without the cache the build
only takes longer. A new export does not repair the cache, because buildx skips blobs that exist.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldi_tasks.atomic import PREFIX
from goldi_tasks.cache import cache_directories, oci_layout, staged_export
from goldi_tasks.errors import CacheRefused
from goldi_tasks.paths import TARGETS, Roots, build_cache

# Seconds after which an unreferenced blob cannot belong to an export that plain `docker buildx bake` is writing now.
_MAX_EXPORT_SECONDS = 3600.0


@dataclass
class CacheCheck:
    """The check of a cache directory: `blobs` counts those that the index refers to, `bad` are the damaged ones.

    `dropped` if the cache was removed. `swept` counts the files removed because no index refers to them, and the
    leftovers of killed exports. `refused` is the reason why the cache was not checked.
    """

    directory: Path
    blobs: int = 0
    bytes: int = 0
    bad: list[str] = field(default_factory=list)
    dropped: bool = False
    swept: int = 0
    refused: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return all fields for JSON."""
        return {**vars(self), "directory": str(self.directory)}


def drop_unsound(directories: Sequence[Path]) -> list[Path]:
    """Remove and return those of `directories` whose blobs are missing or have a wrong size.

    From the others the unreferenced blobs are removed.
    """
    bad = [directory for directory in directories if not oci_layout.is_complete(directory)]
    for directory in directories:
        if directory in bad:
            staged_export.discard(directory)
        elif directory.is_dir():
            _remove_unreferenced(directory)
    return bad


def drop_corrupt(directories: Sequence[Path]) -> list[Path]:
    """Remove and return those of `directories` in which a blob is missing or does not match its digest."""
    bad = [directory for directory in directories if directory.is_dir() and verify(directory).bad]
    for directory in bad:
        staged_export.discard(directory)
    return bad


def list_local_caches(roots: Roots) -> tuple[list[Path], list[CacheCheck]]:
    """Return the local caches of every target, project and platform set; and the refused cache directories."""
    caches: list[Path] = []
    refused: list[CacheCheck] = []
    for target in TARGETS:
        folder = roots.folder(build_cache(target))
        try:
            with cache_directories.open_directory(folder) as handle:
                if handle is None:
                    continue
                cache_directories.check_owner_and_tag(folder, handle)
            for project in _list_subdirectories(folder):
                caches += _list_subdirectories(project)
        except CacheRefused as error:
            refused.append(CacheCheck(folder, refused=error.problem))
        except OSError as error:
            refused.append(CacheCheck(folder, refused=f"{error.filename} cannot be read: {error.strerror}"))
    return [path for path in caches if not path.name.startswith(PREFIX)], refused


def _list_subdirectories(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.is_symlink()]


def verify(directory: Path, report_read: Callable[[int], object] = lambda _: None) -> CacheCheck:
    """Compare every blob that the index refers to with its digest; unreferenced blobs are not checked.

    `report_read` is called with the size of each blob once it is read.
    """
    check = CacheCheck(directory)
    try:
        sizes = oci_layout.read_referenced_sizes(directory) if (directory / oci_layout.INDEX).exists() else {}
    except oci_layout.UNREADABLE:
        check.bad.append(oci_layout.INDEX)
        return check
    check.blobs, check.bytes = len(sizes), sum(sizes.values())

    def is_intact(name: str) -> bool:
        try:
            return oci_layout.digest(oci_layout.blobs(directory) / name) == name
        except OSError:
            return False
        finally:
            report_read(sizes[name])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            check.bad += [name for name, intact in zip(sizes, pool.map(is_intact, sizes), strict=True) if not intact]
        except BaseException:
            # Otherwise Ctrl-C waits until every blob is read.
            pool.shutdown(cancel_futures=True)
            raise
    return check


def repair(check: CacheCheck) -> None:
    """Remove the checked cache if `verify` reported damaged blobs, else its unreferenced blobs; count them in it."""
    if check.bad:
        staged_export.discard(check.directory)
        check.dropped = True
    else:
        check.swept += _remove_unreferenced(check.directory)
    check.swept += len(staged_export.remove_abandoned(check.directory.parent))


def _remove_unreferenced(directory: Path) -> int:
    """Remove the blobs that no index refers to and no running export can have written; return their number."""
    paths = list(_list_unreferenced(directory))
    for path in paths:
        staged_export.remove(path)
    return len(paths)


def _list_unreferenced(directory: Path) -> Iterator[Path]:
    with suppress(*oci_layout.UNREADABLE):
        for path in oci_layout.list_unreferenced(directory):
            if path.stat().st_mtime < time.time() - _MAX_EXPORT_SECONDS:
                yield path
