"""Two names for each other, in one step where the system can: nobody ever finds neither."""

import ctypes
import errno
import os
import uuid
from functools import cache
from typing import Any

# From linux/fs.h.
_EXCHANGE = 2
_CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def exchange(one: str, one_dir: int, other: str, other_dir: int) -> None:
    """What is called `one` in the open directory `one_dir` changes places with `other` in `other_dir`. Raises OSError.

    Where the system or the file system cannot (renameat2(2)), three renames do it: for a moment `one` is not there.
    """
    if (call := _renameat2()) is not None:
        if call(one_dir, os.fsencode(one), other_dir, os.fsencode(other), _EXCHANGE) == 0:
            return
        number = ctypes.get_errno()
        if number not in _CANNOT:
            raise OSError(number, os.strerror(number), one)
    aside = f"{other}.{uuid.uuid4().hex[:8]}"
    os.rename(one, aside, src_dir_fd=one_dir, dst_dir_fd=other_dir)
    os.rename(other, one, src_dir_fd=other_dir, dst_dir_fd=one_dir)
    os.rename(aside, other, src_dir_fd=other_dir, dst_dir_fd=other_dir)


@cache
def _renameat2() -> Any:
    """The C library's function, None where it has none."""
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
