"""Measure all that `cache.status` reports: the caches and, in parallel, the build cache."""

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from goldi_tasks.errors import GoldiError
from goldi_tasks.maintenance.usage import builder_store, sizes
from goldi_tasks.maintenance.usage.builder_store import BuildCache
from goldi_tasks.maintenance.usage.sizes import CacheUsage
from goldi_tasks.paths import Roots


def measure_usage(roots: Roots) -> tuple[list[CacheUsage], BuildCache | None, str]:
    """Return the caches, the build cache (None if no engine answers), and a remark ("" if there is none)."""
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(builder_store.read_build_cache)
        with progress() as report_count:
            caches = sizes.measure(roots, report_count)
        try:
            return caches, reading.result(), ""
        except GoldiError as error:
            return caches, None, f"the build cache and its cache mounts are not measured: {error.problem}"


@contextmanager
def progress() -> Iterator[Callable[[int], None]]:
    """Yield a function that shows a number of files on a terminal, from 0.5 s on; the line is erased in the end."""
    is_visible, next_update = False, time.monotonic() + 0.5

    def show(files: int) -> None:
        nonlocal is_visible, next_update
        if time.monotonic() >= next_update and sys.stderr.isatty():
            is_visible, next_update = True, time.monotonic() + 0.1
            print(f"\r{files} files\x1b[K", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        if is_visible:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
