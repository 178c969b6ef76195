"""Output that nobody reads any more, as of `goldi --list | head`: no failure of ours, and no more is written."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

CODE = 128 + signal.SIGPIPE


@contextmanager
def quiet() -> Iterator[None]:
    """Raise SystemExit with the code of SIGPIPE where the reader of standard output is gone; a failure stays one."""
    try:
        yield
        _flush()
    except BrokenPipeError:
        _discard()
        raise SystemExit(CODE) from None
    except BaseException as end:
        try:
            _flush()
        except BrokenPipeError:
            _discard()
            if isinstance(end, SystemExit) and not end.code:
                raise SystemExit(CODE) from None
        raise


def _flush() -> None:
    """Write now: else Python finds out when it ends, and says so."""
    if sys.stdout:
        sys.stdout.flush()


def _discard() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
