"""Refuse paths that another user could have created or can modify.

Root is trusted: it could modify everything anyway. So is the owner of `/`, which is what root is mapped to in a user
namespace.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path


def owner() -> tuple[int, int]:
    """Return uid and gid of the caches' owner: the caller's, under sudo those of the user who called it."""
    if os.getuid() == 0 and "SUDO_UID" in os.environ:
        return int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", "0"))
    return os.getuid(), os.getgid()


def owner_of_new_files(directory: Path) -> tuple[int, int]:
    """Return the owner of new files in `directory`: the user who called sudo if it is his, else the caller.

    Raises OSError.
    """
    if owner()[0] != os.getuid() and directory.stat().st_uid == owner()[0]:
        return owner()
    return os.getuid(), os.getgid()


def find_problem(path: Path, alternative: str) -> tuple[str, str] | None:
    """Return problem and remedy if another user can modify `path` or a directory above it, else None.

    `path` may be missing, and may contain links. `alternative` names what can be chosen in its place.
    """
    real = Path(os.path.realpath(path))
    ancestors = [*reversed(path.parents), path]
    if real != path:
        ancestors += [*reversed(real.parents), real]
    return find_problem_in(dict.fromkeys(ancestors), alternative)


def find_problem_in(paths: Iterable[Path], alternative: str, *more_uids: int) -> tuple[str, str] | None:
    """Return problem and remedy for the first of `paths` that another user can modify, else None.

    Directories above them are not checked. Users in `more_uids` are trusted too.
    """
    trusted_uids = {0, owner()[0], Path("/").lstat().st_uid, *more_uids, *_trusted_by_root()}
    for path in paths:
        try:
            status = path.lstat()
        except OSError:
            continue
        if status.st_uid not in trusted_uids:
            return f"{path} belongs to user {status.st_uid}", f"Choose {alternative}"
        if is_writable_by_others(status):
            return f"others may write to {path}", f"Run `chmod go-w '{path}'`, or choose {alternative}"
    return None


def _trusted_by_root() -> Iterator[int]:
    """Yield the users that root trusts anyway: the owners of the current directory and of root's home and state.

    Root in a user's project runs that user's code, as in a CI's container, whose home and workspace are the runner's.
    """
    if os.getuid() == 0:
        for directory in (".", os.environ.get("HOME", "/"), os.environ.get("XDG_STATE_HOME", "/")):
            real = Path(os.path.realpath(directory))
            yield next(ancestor.stat().st_uid for ancestor in (real, *real.parents) if ancestor.exists())


def is_writable_by_others(status: os.stat_result) -> bool:
    """Return whether another user than the owner can modify the file, or a directory's entries.

    With the sticky bit, as on /tmp, he can modify only his own entries. A user's private group, which has the number
    of the user by convention, has no other members: with such groups many systems set umask to 002.
    """
    if stat.S_ISLNK(status.st_mode):
        return False
    group = status.st_mode & stat.S_IWGRP and not status.st_gid == status.st_uid != 0
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    return bool(not sticky and (group or status.st_mode & stat.S_IWOTH))
