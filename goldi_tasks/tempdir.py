"""Make a temporary directory for one run; the next run removes the directories of killed ones."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from goldi_tasks import locks

_PREFIX = "goldi-scratch-"


@contextmanager
def directory(top: Path | None = None) -> Iterator[Path]:
    """Make a directory in `top` or TMPDIR, for this user only, and remove it after the block. Raises OSError."""
    top = top or Path(tempfile.gettempdir())
    _sweep(top)
    scratch, handle = _make_locked(top)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(handle)


def _make_locked(top: Path) -> tuple[Path, int]:
    """Make a locked directory; return it and the descriptor that holds the lock, which ends with the process."""
    while True:
        scratch = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=top))
        with suppress(FileNotFoundError):
            handle = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
            locks.acquire(handle)
            if scratch.exists():
                return scratch, handle
            # Another run has removed it before it was locked.
            os.close(handle)


def _sweep(top: Path) -> None:
    """Remove our directories that no process has locked."""
    for scratch in top.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            handle = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if locks.try_acquire(handle) and os.fstat(handle).st_uid == os.getuid():
                    shutil.rmtree(scratch)
            finally:
                os.close(handle)
