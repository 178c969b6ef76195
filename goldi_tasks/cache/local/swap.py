"""Put one directory in another's place at one instant."""

import ctypes
import os
import uuid
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def swap(new: Path, old: Path) -> None:
    """Exchange two directories of one file system; `old` need not exist. Raises OSError.

    Where the system cannot exchange, `old` is gone for an instant: what looks then finds none.
    """
    try:
        if not _exchange(new, old):
            aside = aside_of(old)
            old.rename(aside)
            new.rename(old)
            aside.rename(new)
    except FileNotFoundError:
        new.rename(old)


def aside_of(directory: Path, kind: str = "old") -> Path:
    """A name beside `directory` that nobody has; what begins like this is removed when nobody holds it."""
    return directory.with_name(f"{PREFIX}{kind}-{directory.name}-{uuid.uuid4().hex[:8]}")


PREFIX = ".goldi-"


def _exchange(new: Path, old: Path) -> bool:
    """renameat2(2) with RENAME_EXCHANGE; False where the C library or the file system has none. Raises OSError."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(old), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code == 2:
        raise FileNotFoundError(code, os.strerror(code), str(old))
    return False
