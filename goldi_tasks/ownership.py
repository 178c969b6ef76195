"""Whose a place is: nothing is read or written where somebody else could have put it.

Root is nobody else: who is root needs no such way. Nor is whoever owns `/`, in a user namespace root's stand-in.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path


def owner() -> tuple[int, int]:
    """Whose the caches are: the caller, or who called sudo to be root."""
    if os.getuid() == 0 and "SUDO_UID" in os.environ:
        return int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", "0"))
    return os.getuid(), os.getgid()


def owner_in(folder: Path) -> tuple[int, int]:
    """Whose is what we put into `folder`: who called sudo if the folder is his, else the caller. Raises OSError."""
    if owner()[0] != os.getuid() and folder.stat().st_uid == owner()[0]:
        return owner()
    return os.getuid(), os.getgid()


def trouble(path: Path, instead: str) -> tuple[str, str] | None:
    """What is wrong with `path` or a directory above it, and the remedy; None if nobody else can change it.

    `path` may not exist, and may be reached over links. `instead` says what may be chosen.
    """
    real = Path(os.path.realpath(path))
    steps = [*reversed(path.parents), path]
    if real != path:
        steps += [*reversed(real.parents), real]
    return of_each(dict.fromkeys(steps), instead)


def of_each(steps: Iterable[Path], instead: str, *also: int) -> tuple[str, str] | None:
    """The same for each of `steps` by itself, which may belong to users in `also` too."""
    trusted = {0, owner()[0], Path("/").lstat().st_uid, *also, *_hosts()}
    for step in steps:
        try:
            found = step.lstat()
        except OSError:
            continue
        if found.st_uid not in trusted:
            return f"{step} belongs to user {found.st_uid}", f"Choose {instead}"
        if others_write(found):
            return f"others may write to {step}", f"Run `chmod go-w '{step}'`, or choose {instead}"
    return None


def _hosts() -> Iterator[int]:
    """Whom root trusts already: whose directory this is, and whose home it was given.

    Root in a user's project runs that user's code, as in a CI's container, whose home and workspace are the runner's.
    """
    if os.getuid() == 0:
        for place in (".", os.environ.get("HOME", "/"), os.environ.get("XDG_STATE_HOME", "/")):
            real = Path(os.path.realpath(place))
            yield next(step.stat().st_uid for step in (real, *real.parents) if step.exists())


def others_write(found: os.stat_result) -> bool:
    """Whether somebody else than the owner may change what lies there.

    With the sticky bit, as in /tmp, only what is his own. A user's own group, by custom of the same number, has nobody
    else in it: with it umask is 002 on many systems.
    """
    if stat.S_ISLNK(found.st_mode):
        return False
    group = found.st_mode & stat.S_IWGRP and not found.st_gid == found.st_uid != 0
    sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    return bool(not sticky and (group or found.st_mode & stat.S_IWOTH))
