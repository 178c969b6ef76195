"""Who is at work with the caches: builds and checks together, a prune alone.

It only ever waits for another: a build that finds a prune waits for a moment and goes on then, since what it is handed
is marked as used (use.py) and stays. A lock ends with its process, however that ends.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from goldi_tasks import locks, state
from goldi_tasks.command import mask

# Seconds that a build waits for a prune, and between two looks.
PATIENCE, _PAUSE = 2.0, 0.05
# Seconds between two times at which the limits are looked at.
_DAY = 86400.0


@contextmanager
def at_work() -> Iterator[None]:
    """No prune begins while the block runs. Where no lock can be had the block runs all the same."""
    handle = _open()
    try:
        began = time.monotonic()
        while handle is not None and not _taken(handle, shared=True) and time.monotonic() - began < PATIENCE:
            time.sleep(_PAUSE)
        yield
    finally:
        if handle is not None:
            os.close(handle)


@contextmanager
def alone(tell: Callable[[str], None] | None) -> Iterator[bool]:
    """Nobody is at work while the block runs; waits for that, and tells for whom.

    Without `tell` it does not wait: whether nobody is at work is given. Who begins meanwhile waits for a moment.
    """
    handle = _open()
    try:
        free, told = handle is None or _taken(handle, shared=False), False
        while tell and handle is not None and not free:
            if not told:
                tell(f"waiting until nobody works with the caches: {', '.join(_workers(handle)) or 'another goldi'}")
                told = True
            time.sleep(4 * _PAUSE)
            free = _taken(handle, shared=False)
        yield free
    finally:
        if handle is not None:
            os.close(handle)


def due() -> bool:
    """Whether the limits were not looked at for a day."""
    try:
        return not 0 <= time.time() - os.stat(stamp()).st_mtime < _DAY  # noqa: PTH116 - after every check
    except OSError:
        return True


def stamp() -> Path:
    """The file that was written when the limits were looked at."""
    return state.directory() / "tidied"


def _open() -> int | None:
    """The file of the lock, open; None where there can be none."""
    file = state.directory() / "work.lock"
    try:
        return state.open_lock(file)
    except OSError:
        return None


def _taken(handle: int, *, shared: bool) -> bool:
    try:
        return locks.try_acquire(handle, shared=shared)
    except OSError:
        # A file system without locks.
        return True


def _workers(handle: int) -> list[str]:
    """The command lines of those who hold the lock, where the system tells (proc_locks(5))."""
    number, found = os.fstat(handle).st_ino, []
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
        for fields in map(str.split, lines):
            if "->" not in fields and fields[1] == "FLOCK" and fields[5].endswith(f":{number}"):
                argv = Path(f"/proc/{fields[4]}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                # Without the interpreter, and without the directory of the script.
                words = argv[1:] if Path(argv[0]).name.startswith("python") else argv
                said = mask(" ".join(" ".join([Path(words[0]).name, *words[1:]]).split()))
                found.append(f"{said[:60]} (process {fields[4]})")
    except (OSError, LookupError, ValueError):
        return []
    return found
