"""Handle failures of standard output: its reader has ended, as with `goldi --list | head`, or its disk is full."""

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from goldi_tasks.errors import NoSpace, is_disk_full

CODE = 128 + signal.SIGPIPE
# The variable that lets an OSError print its traceback.
TRACEBACK = "GOLDI_TRACEBACK"


@contextmanager
def quiet() -> Iterator[None]:
    """Turn a failure of standard output, and any other OSError of the block, into a SystemExit without traceback."""
    _open_streams()
    try:
        with _flush_at_end():
            yield
    except BrokenPipeError:
        _discard()
        raise SystemExit(CODE) from None
    except OSError as error:
        if os.environ.get(TRACEBACK):
            raise
        # With a file name the error concerns that file, not standard output.
        if is_disk_full(error) and not error.filename:
            _discard()
            print(f"goldi: {NoSpace('a disk is full', 'Free some, see `inv cache.status`')}", file=sys.stderr)
            raise SystemExit(NoSpace.code) from None
        prefix = f"{error.filename}: " if error.filename else ""
        print(f"goldi: {prefix}{error.strerror or error}. {TRACEBACK}=1 prints a traceback", file=sys.stderr)
        raise SystemExit(1) from None


@contextmanager
def _flush_at_end() -> Iterator[None]:
    """Flush standard output after the block, since Python would report a failure only when it exits. Raises OSError."""
    try:
        yield
        _flush()
    except BaseException as error:
        try:
            _flush()
        except OSError:
            if isinstance(error, OSError) or (isinstance(error, SystemExit) and not error.code):
                raise
            _discard()
        raise


def _open_streams() -> None:
    """Open closed streams on /dev/null, for child processes too; escape characters that a stream cannot encode."""
    for handle, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), handle)
            # os.open may have returned this very number, which is not inheritable then.
            os.set_inheritable(handle, True)
            setattr(sys, name, os.fdopen(handle, "w" if handle else "r", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    if sys.stdout:
        sys.stdout.flush()


def _discard() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
