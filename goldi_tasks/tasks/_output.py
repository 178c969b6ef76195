"""Standard output that takes no more: nobody reads it, as with `goldi --list | head`, or its disk is full."""

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from goldi_tasks.errors import NoSpace, is_disk_full

CODE = 128 + signal.SIGPIPE
# The variable that has a failure of the system shown with its traceback.
TRACEBACK = "GOLDI_TRACEBACK"


@contextmanager
def quiet() -> Iterator[None]:
    """Raise SystemExit without a traceback where standard output takes no more, or the system refuses something."""
    _open_streams()
    try:
        with _flushed():
            yield
    except BrokenPipeError:
        _discard()
        raise SystemExit(CODE) from None
    except OSError as error:
        if os.environ.get(TRACEBACK):
            raise
        # With a name it is about that file.
        if is_disk_full(error) and not error.filename:
            _discard()
            print(f"goldi: {NoSpace('a disk is full', 'Free some, see `inv cache.status`')}", file=sys.stderr)
            raise SystemExit(NoSpace.code) from None
        named = f"{error.filename}: " if error.filename else ""
        print(f"goldi: {named}{error.strerror or error}. {TRACEBACK}=1 shows where that was met", file=sys.stderr)
        raise SystemExit(1) from None


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


def _open_streams() -> None:
    """Lead a closed stream nowhere, for the programs that we start too; write letters that one lacks as numbers."""
    for handle, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), handle)
            # It may have been the first that was free.
            os.set_inheritable(handle, True)
            setattr(sys, name, os.fdopen(handle, "w" if handle else "r", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    if sys.stdout:
        sys.stdout.flush()


def _discard() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
