"""Measure many directories as fast as `du`, which reports bytes and newest changes while a thread counts the files.

A pass in Python over every file takes twice the time of `du`. Counting needs no `stat` of files, only the entries of
directories, and runs on a second core. Neither follows a link. Where `du` lacks these options (macOS, busybox), or
where something is mounted in a cache, safe_delete.py measures alone.
"""

import errno
import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.cache.safe_delete import mounts
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed

# Called with the number of files counted so far; an exception from it ends the count.
Tell = Callable[[int], None]

# One `du` for each cache, as many at a time as there are cores: caches share no hard links that matter. Its errors are
# discarded, since we report unreadable directories.
_DU = 'exec 2>/dev/null; n=$1; options=$2; shift 2; printf "%s\\0" "$@" | xargs -0 -n 1 -P "$n" du $options; :'
_OPTIONS = ("-x", "-0", "-B1", "--time", "--time-style=+%s", "--max-depth=1")


@dataclass
class DirectoryUsage:
    """A directory's content: bytes on disk, number of files, newest change in seconds since the epoch (0: none)."""

    bytes: int = 0
    files: int = 0
    newest: float = 0.0


@dataclass
class Counted:
    """The content of a directory and, by name, of its subdirectories; and the directories that could not be read."""

    whole: DirectoryUsage = field(default_factory=DirectoryUsage)
    parts: dict[str, DirectoryUsage] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)


def count(folders: Iterable[Path], report_count: Tell) -> dict[Path, Counted]:
    """Measure `folders`; those that `du` cannot measure are missing. The bytes of a file with many names count once."""
    measurable = [folder for folder in folders if _has_no_mounts(folder)]
    if not measurable or not sys.platform.startswith("linux"):
        return {}
    totals = {folder: Counted() for folder in measurable}
    with ThreadPoolExecutor(1) as pool:
        counter = _FileCounter(totals)
        try:
            counting = pool.submit(counter.count)
            usage = _run_du(measurable, lambda: report_count(counter.files))
            while not counting.done():
                report_count(counter.files)
                time.sleep(process.TICK / 4)
            counting.result()
        except OSError:
            # For example a path that is too long for one call; safe_delete.py opens directories step by step.
            return {}
        finally:
            counter.stopped = True
    return {folder: counted for folder, counted in totals.items() if _add_usage(folder, counted, usage)}


def _has_no_mounts(folder: Path) -> bool:
    """Return whether `folder` is a directory without mounts: du enters bind mounts of the same file system."""
    return folder.is_dir() and not folder.is_symlink() and not mounts(str(folder))


def _run_du(folders: Iterable[Path], tick: Callable[[], None]) -> dict[str, tuple[int, float]]:
    """Return bytes and newest change by path, of `folders` and their subdirectories; {} if there is no such du."""
    chunks = []
    try:
        cores = str(max(2, os.cpu_count() or 1))
        argv = ("sh", "-c", _DU, "du", cores, " ".join(_OPTIONS), *map(str, folders))
        command = Command(argv, {"LC_ALL": "C.UTF-8"})
        with process.stream(command, whole=True) as texts:
            for text in texts:
                chunks.append(text)
                tick()
    except CommandFailed:
        return {}
    usage = {}
    for line in "".join(chunks).split("\0"):
        number, _, rest = line.partition("\t")
        newest, _, path = rest.partition("\t")
        if number.isdigit() and newest.lstrip("-").isdigit():
            usage[path] = (int(number), float(newest))
    return usage


def _add_usage(folder: Path, counted: Counted, usage: dict[str, tuple[int, float]]) -> bool:
    """Add bytes and newest changes from du; return whether du measured `folder`."""
    if (total := usage.get(str(folder))) is None:
        return False
    counted.whole.bytes, counted.whole.newest = total
    for name, part in counted.parts.items():
        part.bytes, part.newest = usage.get(f"{folder}/{name}", (0, 0.0))
    return True


class _FileCounter:
    """A count of the files in directories, from directory entries alone; another thread may set `stopped`."""

    def __init__(self, totals: dict[Path, Counted]) -> None:
        self.totals, self.files, self.stopped = totals, 0, False

    def count(self) -> None:
        for folder, counted in self.totals.items():
            if self.stopped:
                return
            counted.whole.files, subdirectories = self._count_entries(folder, str(folder), counted)
            for path in subdirectories:
                part = counted.parts[os.path.basename(path)] = DirectoryUsage()  # noqa: PTH119 - a million of them
                part.files = self._count_tree(folder, path, counted)
                counted.whole.files += part.files

    def _count_tree(self, folder: Path, top: str, counted: Counted) -> int:
        files, pending = 0, [top]
        while pending and not self.stopped:
            count, subdirectories = self._count_entries(folder, pending.pop(), counted)
            files += count
            pending += subdirectories
        return files

    def _count_entries(self, folder: Path, path: str, counted: Counted) -> tuple[int, list[str]]:
        """Return the number of files and the paths of the directories directly in `path`."""
        subdirectories = []
        files = 0
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        subdirectories.append(entry.path)
                    else:
                        files += 1
        except PermissionError:
            counted.unreadable.append(os.path.relpath(path, folder))
        except OSError as error:
            # It was removed, or replaced, in the meantime.
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
        self.files += files
        return files, subdirectories
