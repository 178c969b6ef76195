"""Keep the limits of the settings without being asked: after a build or a check, once a day, while nobody is at work.

It is quick, or it is not done: what may be old is seen by the marks alone, and to measure takes a few seconds or is
given up. Tools and builders are left to `cache.prune`. It never fails, and Ctrl-C ends nothing but it.
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
from goldi_tasks.maintenance.prune.policy import TRASH, Asked, Limits
from goldi_tasks.paths import CACHES, Roots
from goldi_tasks.settings import Settings
from goldi_tasks.units import format_size

# Seconds that measuring may take.
_BUDGET = 5.0


class _TooLong(Exception):
    """To measure takes longer than a build may be kept waiting."""


def tidy_up(settings: Settings) -> None:
    """Hold the caches against the limits of the settings, within seconds; print one line if anything was freed."""
    limits = Limits(settings.max_age, settings.max_size)
    if process.is_dry() or not (limits.age or limits.size):
        return
    with suppress(GoldiError, OSError, KeyboardInterrupt):
        line = _tidy(settings.roots, Asked(limits, current=settings.key), lambda: tool_images.with_python(settings))
        if line:
            print(as_typed(f"goldi: {line}"), file=sys.stderr, flush=True)


def _tidy(roots: Roots, asked: Asked, images: Callable[[], Sequence[str]]) -> str:
    now = time.time()
    if not asked.limits.size and not _any(roots, asked, now):
        state.write(usage_lock.stamp(), "")
        return ""
    try:
        plan = execute.plan(roots, asked, lambda _: images(), _budget())
    except _TooLong:
        state.write(usage_lock.stamp(), "")
        return "the caches are too large to check their limits after a build; run `inv cache.prune`"
    plan.rows = [row for row in plan.rows if row.how in ("remove", "state")]
    if not plan.act(lambda _: None, None):
        # Somebody is at work, and will look in turn.
        return ""
    state.write(usage_lock.stamp(), "")
    freed = execute.freed(plan.rows)
    return f"freed {format_size(freed)} of unused caches (see max-age, max-size)" if freed else ""


def _any(roots: Roots, asked: Asked, now: float) -> bool:
    """Whether anything may be old, by what is seen at once: a directory's own time, and where projects are."""
    marks = [(key, changed) for key, changed in _marks(roots) if key != asked.current]
    old = any(now - changed > asked.limits.age or last_use.gone(key) or key.startswith(TRASH) for key, changed in marks)
    return old or bool(state_files.choose(asked, now, last_use.gone))


def _marks(roots: Roots) -> Iterator[tuple[str, float]]:
    for cache in CACHES:
        if cache.scope == "project":
            with suppress(OSError), os.scandir(roots.folder(cache)) as entries:
                for entry in entries:
                    if KEY.fullmatch(entry.name) or entry.name.startswith(TRASH):
                        yield entry.name, entry.stat(follow_symlinks=False).st_mtime


def _budget() -> Callable[[int], None]:
    ends = time.monotonic() + _BUDGET

    def tell(files: int) -> None:
        if time.monotonic() > ends:
            raise _TooLong

    return tell
