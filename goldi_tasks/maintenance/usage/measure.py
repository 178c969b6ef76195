"""Everything that `cache.status` tells, looked at at once."""

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from goldi_tasks.errors import GoldiError
from goldi_tasks.maintenance.usage import builder_store, sizes
from goldi_tasks.maintenance.usage.builder_store import Store
from goldi_tasks.maintenance.usage.sizes import Size
from goldi_tasks.paths import Roots


def look(roots: Roots) -> tuple[list[Size], Store | None, str]:
    """The caches, the builder's store where an engine answers, and what there is to remark."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(builder_store.look)
        with progress() as tell:
            found = sizes.measure(roots, tell)
        try:
            return found, asked.result(), ""
        except GoldiError as error:
            return found, None, f"the build cache and its cache mounts are not measured: {error.problem}"


@contextmanager
def progress() -> Iterator[Callable[[int], None]]:
    """Tells on a terminal how many files were counted, once that takes a while, and takes it back."""
    shown, after = False, time.monotonic() + 0.5

    def tell(files: int) -> None:
        nonlocal shown, after
        if time.monotonic() >= after and sys.stderr.isatty():
            shown, after = True, time.monotonic() + 0.1
            print(f"\r{files} files\x1b[K", end="", file=sys.stderr, flush=True)

    try:
        yield tell
    finally:
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
