"""A directory for what only one run has to know; the next one removes what a killed one has left."""

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
    """Make a directory in `top` or TMPDIR, for this user only, that is there while the block runs. Raises OSError."""
    top = top or Path(tempfile.gettempdir())
    _sweep(top)
    made, handle = _made(top)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(handle)


def _made(top: Path) -> tuple[Path, int]:
    """A new directory, and the handle that holds it: the lock ends with the process, however it ends."""
    while True:
        made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=top))
        with suppress(FileNotFoundError):
            handle = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
            locks.acquire(handle)
            if made.exists():
                return made, handle
            # Another run has swept it before it was held.
            os.close(handle)


def _sweep(top: Path) -> None:
    """Remove those of ours that nobody holds."""
    for left in top.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            handle = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if locks.try_acquire(handle) and os.fstat(handle).st_uid == os.getuid():
                    shutil.rmtree(left)
            finally:
                os.close(handle)
