"""Lock the caches: shared by builds and checks, exclusive for a prune (flock(2)).

A build waits at most PATIENCE seconds for a running prune and then starts, because the caches that it uses are marked
(last_use.py) and the prune keeps them. The kernel releases a lock when its process ends.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from goldi_tasks import locks, state
from goldi_tasks.command import mask

# Seconds that a build waits for a prune at most, and between two attempts.
PATIENCE, _PAUSE = 2.0, 0.05
# Seconds between two automatic checks of the size limits.
_DAY = 86400.0


@contextmanager
def hold_shared_lock() -> Iterator[None]:
    """Hold the shared lock, so that no prune starts while the block runs. Without a lock the block runs, too."""
    handle = _open_lock_file()
    try:
        start = time.monotonic()
        while handle is not None and not _try_lock(handle, shared=True) and time.monotonic() - start < PATIENCE:
            time.sleep(_PAUSE)
        yield
    finally:
        if handle is not None:
            os.close(handle)


@contextmanager
def hold_exclusive_lock(print_line: Callable[[str], None] | None) -> Iterator[bool]:
    """Hold the exclusive lock while the block runs, and yield whether it is held.

    If other processes hold it, wait, and name them with `print_line`; without `print_line` yield False instead.
    """
    handle = _open_lock_file()
    try:
        is_locked, is_reported = handle is None or _try_lock(handle, shared=False), False
        while print_line and handle is not None and not is_locked:
            if not is_reported:
                holders = ", ".join(_list_holders(handle)) or "another goldi"
                print_line(f"waiting for the processes that use the caches: {holders}")
                is_reported = True
            time.sleep(4 * _PAUSE)
            is_locked = _try_lock(handle, shared=False)
        yield is_locked
    finally:
        if handle is not None:
            os.close(handle)


def is_check_due() -> bool:
    """Return whether the last check of the size limits was more than a day ago."""
    try:
        return not 0 <= time.time() - os.stat(get_last_check_file()).st_mtime < _DAY  # noqa: PTH116 - after every check
    except OSError:
        return True


def get_last_check_file() -> Path:
    """Return the file whose mtime is the time of the last check of the size limits."""
    return state.directory() / "tidied"


def _open_lock_file() -> int | None:
    """Open the lock file and return its file descriptor, None if it cannot be created."""
    file = state.directory() / "work.lock"
    try:
        return state.open_lock(file)
    except OSError:
        return None


def _try_lock(handle: int, *, shared: bool) -> bool:
    """Return whether the lock is acquired; True also on a file system without locks."""
    try:
        return locks.try_acquire(handle, shared=shared)
    except OSError:
        return True


def _list_holders(handle: int) -> list[str]:
    """Return the command line and process id of each process that holds the lock, [] without proc_locks(5)."""
    inode, holders = os.fstat(handle).st_ino, []
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
        for fields in map(str.split, lines):
            if "->" not in fields and fields[1] == "FLOCK" and fields[5].endswith(f":{inode}"):
                argv = Path(f"/proc/{fields[4]}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                # Without the interpreter, and without the directory of the script.
                script, *arguments = argv[1:] if Path(argv[0]).name.startswith("python") else argv
                command_line = mask(" ".join(" ".join([Path(script).name, *arguments]).split()))
                holders.append(f"{command_line[:60]} (process {fields[4]})")
    except (OSError, LookupError, ValueError):
        return []
    return holders
