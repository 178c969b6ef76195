"""Measure how long `cache.status` takes over many files, beside `du -s` over the same tree."""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.benchmark.limits import Limit, LimitReport
from goldi_tasks.benchmark.times import COMPILED, Times
from goldi_tasks.cache import cache_directories
from goldi_tasks.command import Command
from goldi_tasks.errors import UnknownName
from goldi_tasks.paths import CACHES, Roots

LIMITS = (Limit("`cache.status`", "status", "du", "`du -s`", "times", 1.2),)
_GOLDI = str(Path(sys.executable).with_name("goldi"))
# Files in a directory, and directories in a parent directory: about what package managers create.
_FILES, _FOLDERS = 50, 40


def measure(files: int, rounds: int, print_line: Callable[[str], None]) -> LimitReport:
    """Measure `rounds` times over a temporary tree of so many files. Raises UnknownName if `files` is below 1."""
    if files < 1:
        raise UnknownName(f"{files} files measure nothing", "Set --files to 1 or more")
    with tempfile.TemporaryDirectory(prefix="goldi-bench-") as scratch:
        root = Path(scratch) / "cache"
        print_line(f"{files} files")
        _create_files(root, files)
        times = Times(print_line)
        status = Command((_GOLDI, "cache.status", "--json"), {"GOLDI_CACHE_ROOT": str(root), **COMPILED})
        du = Command(("du", "-s", str(root)))
        # The first run fills the kernel's cache of the tree.
        process.capture(du)
        for current in range(rounds):
            times.heading = f"round {current + 1} of {rounds}: "
            # The order alternates, so that the load of other programs affects both alike.
            for name, command in [("du", du), ("status", status)][:: 1 if current % 2 else -1]:
                with times.timed(name):
                    process.capture(command)
    return LimitReport(rounds, os.cpu_count() or 1, times.medians(), LIMITS, "task", f"{files} files, read before.")


def _create_files(root: Path, files: int) -> None:
    """Create the files, spread over all caches."""
    cache_directories.set_up(Roots(root))
    for first in range(0, files, _FILES):
        number = first // _FILES
        cache = CACHES[number % len(CACHES)]
        folder = root / cache.name / "bench-0123abcd" / str(number // _FOLDERS) / str(number)
        folder.mkdir(parents=True)
        for file in range(min(_FILES, files - first)):
            (folder / f"{file}.py").touch()
