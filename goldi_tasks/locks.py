"""Lock open files and directories (flock(2)); no other module does. A lock ends with its process."""

import fcntl


def acquire(handle: int) -> None:
    """Wait for the exclusive lock of the open file `handle`. Raises OSError where the file system has no locks."""
    fcntl.flock(handle, fcntl.LOCK_EX)


def try_acquire(handle: int, *, shared: bool = False) -> bool:
    """Take the lock of the open file `handle` if that needs no waiting; return whether it was taken.

    A `shared` lock excludes exclusive ones only. Raises OSError where the file system has no locks.
    """
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def release(handle: int) -> None:
    """Release the lock of the open file `handle`, which stays open."""
    fcntl.flock(handle, fcntl.LOCK_UN)
