"""Prune automatically to the limits of the settings: after a build or a check, once a day, while no other task runs.

It takes seconds at most: old directories are recognized by their modification time, and a measurement that takes too
long is cancelled. It does not run tools and does not prune the build cache. It never fails, and Ctrl-C ends only it.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from goldi_tasks import process, state
from goldi_tasks.cache import last_use, usage_lock
from goldi_tasks.cache.safe_delete import KEY
from goldi_tasks.errors import GoldiError
from goldi_tasks.invocation import as_typed
from goldi_tasks.maintenance import tool_images
from goldi_tasks.maintenance.prune import execute, state_files
from goldi_tasks.maintenance.prune.policy import TRASH, Limits, PruneRequest
from goldi_tasks.paths import CACHES, Roots
from goldi_tasks.settings import Settings
from goldi_tasks.units import format_size

# Seconds that the measurement may take.
_TIMEOUT = 5.0


class _TooSlow(Exception):
    """The measurement takes longer than a build should wait."""


def tidy_up(settings: Settings) -> None:
    """Prune the caches to the limits of the settings, within seconds; print one line if anything was freed."""
    limits = Limits(settings.max_age, settings.max_size)
    if process.is_dry() or not (limits.age or limits.size):
        return
    with suppress(GoldiError, OSError, KeyboardInterrupt):
        line = _prune(
            settings.roots, PruneRequest(limits, current=settings.key), lambda: tool_images.with_python(settings)
        )
        if line:
            print(as_typed(f"goldi: {line}"), file=sys.stderr, flush=True)


def _prune(roots: Roots, request: PruneRequest, images: Callable[[], Sequence[str]]) -> str:
    now = time.time()
    if not request.limits.size and not _may_be_old(roots, request, now):
        state.write(usage_lock.get_last_check_file(), "")
        return ""
    try:
        plan = execute.plan(roots, request, lambda _: images(), _timeout())
    except _TooSlow:
        state.write(usage_lock.get_last_check_file(), "")
        return "the caches are too large to check their limits after a build; run `inv cache.prune`"
    plan.rows = [row for row in plan.rows if row.how in ("remove", "state")]
    if not plan.act(lambda _: None, None):
        # Another task runs, and will prune when it ends.
        return ""
    state.write(usage_lock.get_last_check_file(), "")
    freed = execute.freed(plan.rows)
    return f"freed {format_size(freed)} of unused caches (see max-age, max-size)" if freed else ""


def _may_be_old(roots: Roots, request: PruneRequest, now: float) -> bool:
    """Return whether anything may be old, by cheap signs: modification times of directories, and missing projects."""
    directories = [(name, mtime) for name, mtime in _directories(roots) if name != request.current]
    has_old = any(
        now - mtime > request.limits.age or last_use.is_project_deleted(name) or name.startswith(TRASH)
        for name, mtime in directories
    )
    return has_old or bool(state_files.choose(request, now, last_use.is_project_deleted))


def _directories(roots: Roots) -> Iterator[tuple[str, float]]:
    for cache in CACHES:
        if cache.scope == "project":
            with suppress(OSError), os.scandir(roots.folder(cache)) as entries:
                for entry in entries:
                    if KEY.fullmatch(entry.name) or entry.name.startswith(TRASH):
                        yield entry.name, entry.stat(follow_symlinks=False).st_mtime


def _timeout() -> Callable[[int], None]:
    """Return a function that raises _TooSlow when it is called after the timeout."""
    deadline = time.monotonic() + _TIMEOUT

    def check(files: int) -> None:
        if time.monotonic() > deadline:
            raise _TooSlow

    return check
