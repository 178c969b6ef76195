"""Drop what is damaged: the cheap part of it before every build, all of it by `cache.verify`.

A build whose cached layer is cut, flipped or gone fails and has no fallback; without the cache it only takes longer.
Nor does exporting again heal: buildx skips blobs that are there.
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

# Seconds after which a blob that no index leads to is not that of an export which plain bake is at.
_OLD = 3600.0


@dataclass
class Found:
    """A cache that was looked at: its blobs, and the `bad` ones that the index leads to; `dropped` if it is gone.

    `swept` are files that no index leads to, and what killed exports left. `refused` says why it was not looked at.
    """

    directory: Path
    blobs: int = 0
    bytes: int = 0
    bad: list[str] = field(default_factory=list)
    dropped: bool = False
    swept: int = 0
    refused: str = ""

    def as_json(self) -> dict[str, Any]:
        """All of it for scripts."""
        return {**vars(self), "directory": str(self.directory)}


def drop_unsound(directories: Sequence[Path]) -> list[Path]:
    """Remove those of `directories` that cannot be right by names and sizes; returns them. The others are swept."""
    bad = [directory for directory in directories if not oci_layout.sound(directory)]
    for directory in directories:
        if directory in bad:
            staged_export.discard(directory)
        elif directory.is_dir():
            _sweep(directory)
    return bad


def drop_corrupt(directories: Sequence[Path]) -> list[Path]:
    """Remove those of `directories` in which a blob is missing or is not what its name says; returns them."""
    bad = [directory for directory in directories if directory.is_dir() and verify(directory).bad]
    for directory in bad:
        staged_export.discard(directory)
    return bad


def all_of(roots: Roots) -> tuple[list[Path], list[Found]]:
    """Every local cache of every target, project and platform set; and what is refused since it is not ours."""
    found: list[Path] = []
    refused: list[Found] = []
    for target in TARGETS:
        folder = roots.folder(build_cache(target))
        try:
            with cache_directories.opened(folder) as handle:
                if handle is None:
                    continue
                cache_directories.check_ours(folder, handle)
            keys = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.is_symlink()]
            for key in keys:
                found += [path for path in sorted(key.iterdir()) if path.is_dir() and not path.is_symlink()]
        except CacheRefused as error:
            refused.append(Found(folder, refused=error.problem))
        except OSError as error:
            refused.append(Found(folder, refused=f"{error.filename} cannot be read: {error.strerror}"))
    return [path for path in found if not path.name.startswith(PREFIX)], refused


def verify(directory: Path, told: Callable[[int], object] = lambda _: None) -> Found:
    """Hold every blob against its name and the index against the blobs; `told` hears of the bytes that were read.

    Blobs that no index leads to may be anything.
    """
    found = Found(directory)
    try:
        wanted = oci_layout.wanted(directory) if (directory / oci_layout.INDEX).exists() else {}
    except oci_layout.UNREADABLE:
        found.bad.append(oci_layout.INDEX)
        return found
    found.blobs, found.bytes = len(wanted), sum(wanted.values())

    def good(name: str) -> bool:
        try:
            return oci_layout.digest(oci_layout.blobs(directory) / name) == name
        except OSError:
            return False
        finally:
            told(wanted[name])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            found.bad += [name for name, whole in zip(wanted, pool.map(good, wanted), strict=True) if not whole]
        except BaseException:
            # Else Ctrl-C would wait for all of it.
            pool.shutdown(cancel_futures=True)
            raise
    return found


def repair(found: Found) -> None:
    """Drop what `verify` found to be bad, and what no index leads to."""
    if found.bad:
        staged_export.discard(found.directory)
        found.dropped = True
    else:
        found.swept += _sweep(found.directory)
    found.swept += len(staged_export.tidy(found.directory.parent))


def _sweep(directory: Path) -> int:
    """Remove what no index leads to and no export is at; how many files."""
    old = list(_old(directory))
    for path in old:
        staged_export.remove(path)
    return len(old)


def _old(directory: Path) -> Iterator[Path]:
    with suppress(*oci_layout.UNREADABLE):
        for path in oci_layout.orphans(directory):
            if path.stat().st_mtime < time.time() - _OLD:
                yield path
