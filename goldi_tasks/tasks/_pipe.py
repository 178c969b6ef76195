"""Standard output that takes no more: nobody reads it, as with `goldi --list | head`, or its disk is full."""

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from goldi_tasks.errors import NoSpace

CODE = 128 + signal.SIGPIPE


@contextmanager
def quiet() -> Iterator[None]:
    """Raise SystemExit without a traceback where standard output takes no more; another failure stays one."""
    try:
        with _flushed():
            yield
    except BrokenPipeError:
        _discard()
        raise SystemExit(CODE) from None
    except OSError as error:
        # With a name it is about that file, and whoever opened it knows what to say.
        if error.errno != errno.ENOSPC or error.filename:
            raise
        _discard()
        print(f"goldi: {NoSpace('a disk is full', 'Free some, see `inv cache.status`')}", file=sys.stderr)
        raise SystemExit(NoSpace.code) from None


@contextmanager
def _flushed() -> Iterator[None]:
    """Write all at the end: else Python finds out when it ends itself, and says so. Raises OSError."""
    try:
        yield
        _flush()
    except BaseException as end:
        try:
            _flush()
        except OSError:
            if isinstance(end, OSError) or (isinstance(end, SystemExit) and not end.code):
                raise
            _discard()
        raise


def _flush() -> None:
    if sys.stdout:
        sys.stdout.flush()


def _discard() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
