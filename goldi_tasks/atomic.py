"""Make files and directories that appear at one instant: whole, with their mode, and owned by whom they are for.

Who looks in between, another process or another thread, finds nothing or all of it. What is not finished yet has a
draft's name beside it, and is removed when something fails.
"""

import errno
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from goldi_tasks import locks

Owner = tuple[int, int]
# What begins like this is nobody's cache, and is removed when nobody holds it.
PREFIX = ".goldi-"
# From linux/fs.h.
_NO_REPLACE, _EXCHANGE = 1, 2
_CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
# From linux/fcntl.h: a path is relative to the current directory.
_HERE = -100
# How often a draft is made again that somebody has swept away.
_TRIES = 5


def make_directory(path: Path, mode: int, owner: Owner, files: Mapping[str, str] | None = None) -> bool:
    """Make the directory `path` with `files` in it, which only `owner` can read. Raises OSError.

    False if there is something of that name, whatever it is: that is left as it is.
    """
    if not files and owner == (os.getuid(), os.getgid()):
        try:
            path.mkdir(mode)
        except FileExistsError:
            return False
        return True
    for attempt in range(_TRIES):
        if os.path.lexists(path):
            break
        draft = aside_of(path)
        draft.mkdir(mode)
        try:
            for name, text in (files or {}).items():
                write(draft / name, text.encode(), owner=owner)
            give(draft, owner)
            return _rename_new(draft, path)
        except FileNotFoundError:
            if attempt == _TRIES - 1 or os.path.lexists(draft):
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return False


def write(file: Path, data: bytes, *, mode: int = 0o600, owner: Owner, replace: bool = True) -> bool:
    """Put `data` in `file` as a whole or not at all. Raises OSError.

    False where it exists and is not to be replaced.
    """
    handle, name = tempfile.mkstemp(prefix=f".{file.name[:200]}-", dir=file.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            os.fchmod(handle, mode)
        give(draft, owner)
        if not replace:
            return _rename_new(draft, file)
        draft.replace(file)
        return True
    finally:
        # It has its name now, or something has failed.
        draft.unlink(missing_ok=True)


def open_lock(file: Path, owner: Owner) -> int:
    """Open `file`, which is made if it is not there, for a lock; never a link. Raises OSError."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    with suppress(FileNotFoundError):
        return os.open(file, flags)
    write(file, b"", owner=owner, replace=False)
    return os.open(file, flags)


def give(path: Path, owner: Owner) -> None:
    """Hand `path` over to `owner` if that is another user, which only root can. Raises OSError."""
    if owner != (os.getuid(), os.getgid()):
        os.chown(path, *owner, follow_symlinks=False)


def give_tree(top: Path, owner: Owner) -> None:
    """Hand `top` over with all that is in it, if it or we are another user's, and follow no link. Raises OSError."""
    if owner != (os.getuid(), os.getgid()) or top.stat().st_uid != owner[0]:
        for _, folders, files, handle in os.fwalk(top):
            for name in (*folders, *files):
                with suppress(FileNotFoundError):
                    os.chown(name, *owner, dir_fd=handle, follow_symlinks=False)
        os.chown(top, *owner, follow_symlinks=False)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one of us at a time run the block, where the file system has locks. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            locks.acquire(handle)
        yield
    finally:
        os.close(handle)


def aside_of(path: Path, kind: str = "new") -> Path:
    """A name beside `path` that nobody has."""
    return path.with_name(f"{PREFIX}{kind}-{path.name[:200]}-{uuid.uuid4().hex[:8]}")


def swap(new: Path, old: Path) -> None:
    """Exchange two directories that lie side by side; `old` need not exist. Raises OSError."""
    folder = os.open(old.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        exchange(old.name, folder, new.name, folder)
    except FileNotFoundError:
        new.rename(old)
    finally:
        os.close(folder)


def exchange(one: str, one_dir: int, other: str, other_dir: int) -> None:
    """Let what is called `one` in the open directory `one_dir` change places with `other` in `other_dir`.

    Where the system or the file system cannot (renameat2(2)), three renames do it: for a moment `one` is not there.
    Raises OSError.
    """
    if _renamed(one, one_dir, other, other_dir, _EXCHANGE):
        return
    aside = f"{other}.{uuid.uuid4().hex[:8]}"
    os.rename(one, aside, src_dir_fd=one_dir, dst_dir_fd=other_dir)
    os.rename(other, one, src_dir_fd=other_dir, dst_dir_fd=one_dir)
    os.rename(aside, other, src_dir_fd=other_dir, dst_dir_fd=other_dir)


def _rename_new(draft: Path, path: Path) -> bool:
    """Rename `draft` to `path`, unless something has that name; whether it was done. Raises OSError.

    A plain rename would replace an empty directory, which a container may have mounted.
    """
    try:
        if _renamed(str(draft), _HERE, str(path), _HERE, _NO_REPLACE):
            return True
        if os.path.lexists(path):
            return False
        draft.rename(path)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR):
            return False
        raise
    return True


def _renamed(one: str, one_dir: int, other: str, other_dir: int, how: int) -> bool:
    """Whether the system could rename in this way. Raises OSError."""
    import ctypes  # 10 ms, for those who make something

    if (call := _renameat2()) is None:
        return False
    if call(one_dir, os.fsencode(one), other_dir, os.fsencode(other), how) == 0:
        return True
    number = ctypes.get_errno()
    if number not in _CANNOT:
        raise OSError(number, os.strerror(number), one)
    return False


@cache
def _renameat2() -> Any:
    """The C library's function, None where it has none."""
    import ctypes

    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
