"""Choose and remove the files of projects in the state directory: records of builds, inputs and checks.

The files of a project that was deleted, or was not built or checked for long, are removed like its caches.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks import state
from goldi_tasks.cache.last_use import FRESH
from goldi_tasks.cache.safe_delete import KEY
from goldi_tasks.maintenance.prune.policy import PruneRequest, PruneRow
from goldi_tasks.units import format_age

WHAT = "notes"
# Subdirectories of the state directory that hold a file or a directory for each project.
_SUBDIRECTORIES = ("inputs", "builds", "checks", "network", "compose", "projects")


@dataclass(frozen=True)
class Notes:
    """The state files of a project: their bytes, number, and newest modification time."""

    key: str
    paths: tuple[Path, ...]
    bytes: int
    files: int
    last_use: float


def choose(request: PruneRequest, now: float, is_gone: Callable[[str], bool]) -> list[PruneRow]:
    """Return a row for each project whose state files are to be removed; `is_gone` takes the key of a project."""
    rows = []
    for notes in _read_all():
        if notes.key == request.current or now - notes.last_use <= FRESH:
            continue
        if is_gone(notes.key):
            why = "its project is gone"
        elif request.limits.age and now - notes.last_use > request.limits.age:
            why = f"not used for {format_age(now - notes.last_use)}"
        else:
            continue
        rows.append(PruneRow("state", WHAT, why, notes.key, notes.bytes, notes.files, notes.last_use))
    return rows


def paths(key: str) -> tuple[Path, ...]:
    """Return the paths of a project's state files and directories."""
    return tuple(path for name in _SUBDIRECTORIES for path in _list(name) if _key(path) == key)


def remove(row: PruneRow) -> None:
    """Remove the state files of the project of `row`, and set its `freed` or `failed`."""
    try:
        for path in paths(row.key):
            if path.is_dir() and not path.is_symlink():
                # rmtree opens each directory before it enters, and follows no link.
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        row.failed = f"{error.filename}: {error.strerror}"
    else:
        row.freed = row.bytes


def _read_all() -> Iterator[Notes]:
    by_key: dict[str, list[Path]] = {}
    for name in _SUBDIRECTORIES:
        for path in _list(name):
            if KEY.fullmatch(_key(path)):
                by_key.setdefault(_key(path), []).append(path)
    for key, paths_of_key in sorted(by_key.items()):
        stats = [stat for path in paths_of_key for stat in _stats(path)]
        disk_usage = sum(stat.st_blocks * 512 for stat in stats)
        newest = max((stat.st_mtime for stat in stats), default=0.0)
        yield Notes(key, tuple(paths_of_key), disk_usage, len(stats), newest)


def _stats(path: Path) -> Iterator[os.stat_result]:
    """Yield the status of a file, or of a directory and its entries, which are files only."""
    with suppress(OSError):
        yield path.lstat()
        if path.is_dir() and not path.is_symlink():
            for entry in os.scandir(path):
                with suppress(OSError):
                    yield entry.stat(follow_symlinks=False)


def _list(name: str) -> list[Path]:
    try:
        return sorted((state.directory() / name).iterdir())
    except OSError:
        return []


def _key(path: Path) -> str:
    return path.name.removesuffix(".json")
