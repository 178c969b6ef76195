"""Create files and directories atomically: complete, with their mode and owner.

Other processes and threads see nothing or the complete file. Until then it has a temporary name in the same directory,
which is removed on failure.
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
# Names with this prefix are temporary, never a cache: they are removed when no process holds a lock on them.
PREFIX = ".goldi-"
# From linux/fs.h.
_RENAME_NOREPLACE, _RENAME_EXCHANGE = 1, 2
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
# From linux/fcntl.h: relative paths start at the current directory.
_AT_FDCWD = -100
# How often a draft that another process has swept away is created.
_DRAFT_ATTEMPTS = 5


def make_directory(path: Path, mode: int, owner: Owner, files: Mapping[str, str] | None = None) -> bool:
    """Create the directory `path`, which contains `files` (name to text) that only `owner` can read. Raises OSError.

    Return False if the name exists, as whatever type of file: it is left unchanged.
    """
    if not files and owner == (os.getuid(), os.getgid()):
        try:
            path.mkdir(mode)
        except FileExistsError:
            return False
        return True
    for attempt in range(_DRAFT_ATTEMPTS):
        if os.path.lexists(path):
            break
        draft = sibling_path(path)
        draft.mkdir(mode)
        try:
            for name, text in (files or {}).items():
                write(draft / name, text.encode(), owner=owner)
            change_owner(draft, owner)
            return _rename_if_absent(draft, path)
        except FileNotFoundError:
            if attempt == _DRAFT_ATTEMPTS - 1 or os.path.lexists(draft):
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return False


def write(file: Path, data: bytes, *, mode: int = 0o600, owner: Owner, replace: bool = True) -> bool:
    """Write `data` to `file` completely or not at all. Raises OSError.

    Return False if `file` exists and `replace` is false.
    """
    handle, name = tempfile.mkstemp(prefix=f".{file.name[:200]}-", dir=file.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            os.fchmod(handle, mode)
        change_owner(draft, owner)
        if not replace:
            return _rename_if_absent(draft, file)
        draft.replace(file)
        return True
    finally:
        # Still there only after a failure.
        draft.unlink(missing_ok=True)


def open_lock(file: Path, owner: Owner) -> int:
    """Open `file` for a lock, and create it if it is missing. Raises OSError, also for a symbolic link."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    with suppress(FileNotFoundError):
        return os.open(file, flags)
    write(file, b"", owner=owner, replace=False)
    return os.open(file, flags)


def change_owner(path: Path, owner: Owner) -> None:
    """Change the owner of `path` if `owner` is another user, which only root can do. Raises OSError."""
    if owner != (os.getuid(), os.getgid()):
        os.chown(path, *owner, follow_symlinks=False)


def change_tree_owner(top: Path, owner: Owner) -> None:
    """Change the owner of `top` and all below it, unless we and `top` have that owner; links are not followed.

    Raises OSError.
    """
    if owner != (os.getuid(), os.getgid()) or top.stat().st_uid != owner[0]:
        for _, directories, files, handle in os.fwalk(top):
            for name in (*directories, *files):
                with suppress(FileNotFoundError):
                    os.chown(name, *owner, dir_fd=handle, follow_symlinks=False)
        os.chown(top, *owner, follow_symlinks=False)


@contextmanager
def lock_directory(directory: Path) -> Iterator[None]:
    """Hold an exclusive lock on `directory` during the block, where the file system has locks. Raises OSError."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            locks.acquire(handle)
        yield
    finally:
        os.close(handle)


def sibling_path(path: Path, kind: str = "new") -> Path:
    """Return an unused path in the directory of `path`."""
    return path.with_name(f"{PREFIX}{kind}-{path.name[:200]}-{uuid.uuid4().hex[:8]}")


def swap(new: Path, old: Path) -> None:
    """Exchange two directories that have the same parent; `old` need not exist. Raises OSError."""
    parent = os.open(old.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        exchange(old.name, parent, new.name, parent)
    except FileNotFoundError:
        new.rename(old)
    finally:
        os.close(parent)


def exchange(first: str, first_dir: int, second: str, second_dir: int) -> None:
    """Exchange the name `first` in the open directory `first_dir` with `second` in `second_dir`.

    Where the system or the file system has no exchange (renameat2(2)), three renames do it: for a moment `first` is
    missing. Raises OSError.
    """
    if _try_rename(first, first_dir, second, second_dir, _RENAME_EXCHANGE):
        return
    aside = f"{second}.{uuid.uuid4().hex[:8]}"
    os.rename(first, aside, src_dir_fd=first_dir, dst_dir_fd=second_dir)
    os.rename(second, first, src_dir_fd=second_dir, dst_dir_fd=first_dir)
    os.rename(aside, second, src_dir_fd=second_dir, dst_dir_fd=second_dir)


def _rename_if_absent(draft: Path, path: Path) -> bool:
    """Rename `draft` to `path` unless `path` exists; return whether it was renamed. Raises OSError.

    A plain rename would replace an empty directory, which a container may have mounted.
    """
    try:
        if _try_rename(str(draft), _AT_FDCWD, str(path), _AT_FDCWD, _RENAME_NOREPLACE):
            return True
        if os.path.lexists(path):
            return False
        draft.rename(path)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR):
            return False
        raise
    return True


def _try_rename(source: str, source_dir: int, target: str, target_dir: int, flags: int) -> bool:
    """Rename with renameat2(2) and its `flags`; return False where they are not supported. Raises OSError."""
    import ctypes  # 10 ms, only where something is created

    if (renameat2 := _renameat2()) is None:
        return False
    if renameat2(source_dir, os.fsencode(source), target_dir, os.fsencode(target), flags) == 0:
        return True
    error_number = ctypes.get_errno()
    if error_number not in _UNSUPPORTED:
        raise OSError(error_number, os.strerror(error_number), source)
    return False


@cache
def _renameat2() -> Any:
    """Return the C library's renameat2, None where it has none."""
    import ctypes

    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
