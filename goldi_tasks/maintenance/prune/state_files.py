"""What we noted of projects in the state directory: records of builds, inputs, what a check found out.

Notes of a project that is gone, or that nobody built or checked for long, go as its caches do.
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
from goldi_tasks.maintenance.prune.policy import Asked, Row
from goldi_tasks.units import format_age

WHAT = "notes"
# Directories of the state directory that hold a file or a directory for each project.
_KINDS = ("inputs", "builds", "checks", "network", "compose", "projects")


@dataclass(frozen=True)
class Notes:
    """All that was noted of a project."""

    key: str
    paths: tuple[Path, ...]
    bytes: int
    files: int
    last_use: float


def choose(asked: Asked, now: float, gone: Callable[[str], bool]) -> list[Row]:
    """The rows of projects whose notes go."""
    rows = []
    for notes in _all():
        if notes.key == asked.current or now - notes.last_use <= FRESH:
            continue
        if gone(notes.key):
            why = "its project is gone"
        elif asked.limits.age and now - notes.last_use > asked.limits.age:
            why = f"not used for {format_age(now - notes.last_use)}"
        else:
            continue
        rows.append(Row("state", WHAT, why, notes.key, notes.bytes, notes.files, notes.last_use))
    return rows


def paths(key: str) -> tuple[Path, ...]:
    """Where the notes of a project lie."""
    return tuple(path for kind in _KINDS for path in _kind(kind) if _key(path) == key)


def remove(row: Row) -> None:
    """Remove them; what cannot be removed is told in the row."""
    try:
        for path in paths(row.key):
            if path.is_dir() and not path.is_symlink():
                # It opens what it enters and follows no link.
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        row.failed = f"{error.filename}: {error.strerror}"
    else:
        row.freed = row.bytes


def _all() -> Iterator[Notes]:
    by_key: dict[str, list[Path]] = {}
    for kind in _KINDS:
        for path in _kind(kind):
            if KEY.fullmatch(_key(path)):
                by_key.setdefault(_key(path), []).append(path)
    for key, found in sorted(by_key.items()):
        stats = [stat for path in found for stat in _stats(path)]
        used = sum(stat.st_blocks * 512 for stat in stats)
        newest = max((stat.st_mtime for stat in stats), default=0.0)
        yield Notes(key, tuple(found), used, len(stats), newest)


def _stats(path: Path) -> Iterator[os.stat_result]:
    """Of a file, or of a directory and what is in it; these have no directories below."""
    with suppress(OSError):
        yield path.lstat()
        if path.is_dir() and not path.is_symlink():
            for entry in os.scandir(path):
                with suppress(OSError):
                    yield entry.stat(follow_symlinks=False)


def _kind(kind: str) -> list[Path]:
    try:
        return sorted((state.directory() / kind).iterdir())
    except OSError:
        return []


def _key(path: Path) -> str:
    return path.name.removesuffix(".json")
