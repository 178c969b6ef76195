"""What is wrong with owners and modes in git's directory, and mending it: no link followed, on one file system.

This file needs the standard library only and is one file, since it runs alone too: as root in a throw-away container,
which sees that directory and nothing else. Everything is named relative to an open directory, so that nobody can put a
link in between.
"""

import fnmatch
import json
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass

# What git writes to again. Objects are written once and are read-only by design.
WRITTEN = ("index", "*HEAD", "config", "config.worktree", "packed-refs", "*_MSG")


@dataclass(frozen=True)
class Wrong:
    """Something that git will stumble on: its path in git's directory ("." is that itself), and why."""

    path: str
    reason: str


def look(top: str, uid: int) -> list[Wrong]:
    """All that is wrong below `top` for the user `uid`. Raises OSError if `top` is no directory that can be read."""
    return [Wrong(path, reason) for path, reason, *_ in _walk(top, uid)]


def mend(top: str, uid: int, gid: int) -> list[Wrong]:
    """Give what is wrong to `uid` and `gid`, and let them write; what could not be mended. Raises OSError."""
    left = []
    for path, reason, name, folder, found in _walk(top, uid):
        if not found:
            left.append(Wrong(path, reason))
        elif stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
            # Its other name may be anywhere, and anything.
            left.append(Wrong(path, f"{reason}, and has another name elsewhere"))
        else:
            try:
                _mend(name, folder, found, (uid, gid), _mode(path, found))
            except OSError as error:
                left.append(Wrong(path, f"{reason}: {error.strerror}"))
    return left


def _walk(top: str, uid: int) -> Iterator[tuple[str, str, str, int, os.stat_result | None]]:
    """What is wrong: path, reason, its name and the open directory that holds it, its status (None: not to be seen)."""
    handle = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        own = os.fstat(handle)
        if reason := _reason(".", own, uid):
            yield ".", reason, ".", handle, own
        closed: list[OSError] = []
        for here, folders, files, folder in os.fwalk(".", dir_fd=handle, onerror=closed.append):
            for name in sorted(folders + files):
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                path = os.path.normpath(os.path.join(here, name))  # noqa: PTH118 - names, not files
                if found.st_dev != own.st_dev:
                    folders[:] = [other for other in folders if other != name]
                elif reason := _reason(path, found, uid):
                    yield path, reason, name, folder, found
        yield from ((str(error.filename), f"cannot be read: {error.strerror}", "", -1, None) for error in closed)
    finally:
        os.close(handle)


def _reason(path: str, found: os.stat_result, uid: int) -> str:
    if found.st_uid != uid:
        return f"belongs to user {found.st_uid}"
    return "" if stat.S_ISLNK(found.st_mode) or _mode(path, found) == stat.S_IMODE(found.st_mode) else "is not writable"


def _mode(path: str, found: os.stat_result) -> int:
    """The mode that it should have."""
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISDIR(found.st_mode):
        return mode | stat.S_IRWXU
    parts = path.split("/")
    if not stat.S_ISREG(found.st_mode) or "objects" in parts[:-1] or "hooks" in parts[:-1]:
        return mode
    written = {"refs", "logs"} & set(parts[:-1]) or any(fnmatch.fnmatchcase(parts[-1], one) for one in WRITTEN)
    return mode | stat.S_IRUSR | stat.S_IWUSR if written else mode


def _mend(name: str, folder: int, found: os.stat_result, owner: tuple[int, int], mode: int) -> None:
    if found.st_uid != owner[0]:
        os.chown(name, *owner, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode) or mode == stat.S_IMODE(found.st_mode):
        return
    if not hasattr(os, "O_PATH"):
        os.chmod(name, mode, dir_fd=folder, follow_symlinks=False)
        return
    # Linux has no chmod that leaves links alone, but by what is open.
    handle = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)
    try:
        if os.path.samestat(os.fstat(handle), found):
            os.chmod(f"/proc/self/fd/{handle}", mode)  # noqa: PTH101
    finally:
        os.close(handle)


if __name__ == "__main__":
    print(json.dumps([[one.path, one.reason] for one in mend(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))]))
