"""Keep caches small and sound: usage, prune, clear, doctor, archives."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from goldi_tasks import settings as project
from goldi_tasks.cache import usage_lock
from goldi_tasks.errors import GoldiError


@contextmanager
def prune_afterwards(start: Path) -> Iterator[None]:
    """Prune the caches to the limits of the project around `start` after the block, if it succeeded; once a day."""
    yield
    if not usage_lock.is_check_due():
        return
    from goldi_tasks.maintenance.prune import auto  # 30 ms, once a day

    try:
        settings = project.load(start)
    except GoldiError:
        return
    auto.tidy_up(settings)
