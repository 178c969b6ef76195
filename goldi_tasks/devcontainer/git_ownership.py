"""Find and repair wrong owners and modes in git's directory, on one file system, without following links.

This file needs the standard library only and is one file, since it also runs alone: as root in a temporary container
that mounts only that directory. Every name is relative to an open directory, so that no other process can put a link
in between.
"""

import fnmatch
import json
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass

# Files that git rewrites. Objects are written once and are read-only by design.
WRITTEN = ("index", "*HEAD", "config", "config.worktree", "packed-refs", "*_MSG")


@dataclass(frozen=True)
class GitProblem:
    """A problem for git: a path in git's directory ("." is that itself), and the reason."""

    path: str
    reason: str


def find_problems(top: str, uid: int) -> list[GitProblem]:
    """Return all problems below `top` for the user `uid`. Raises OSError if `top` is no readable directory."""
    return [GitProblem(path, reason) for path, reason, *_ in _walk(top, uid)]


def repair(top: str, uid: int, gid: int) -> list[GitProblem]:
    """Give files with problems to `uid` and `gid`, and make them writable; return what remains. Raises OSError."""
    remaining = []
    for path, reason, name, directory_fd, status in _walk(top, uid):
        if not status:
            remaining.append(GitProblem(path, reason))
        elif stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
            # The other hard link may be a file anywhere on this file system.
            remaining.append(GitProblem(path, f"{reason}, and has another hard link"))
        else:
            try:
                _change(name, directory_fd, status, (uid, gid), _expected_mode(path, status))
            except OSError as error:
                remaining.append(GitProblem(path, f"{reason}: {error.strerror}"))
    return remaining


def _walk(top: str, uid: int) -> Iterator[tuple[str, str, str, int, os.stat_result | None]]:
    """Yield problems: path, reason, name and the open directory that holds it, its status (None if unreadable)."""
    top_fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        top_status = os.fstat(top_fd)
        if reason := _find_problem(".", top_status, uid):
            yield ".", reason, ".", top_fd, top_status
        errors: list[OSError] = []
        for directory, folders, files, directory_fd in os.fwalk(".", dir_fd=top_fd, onerror=errors.append):
            for name in sorted(folders + files):
                status = os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
                path = os.path.normpath(os.path.join(directory, name))  # noqa: PTH118 - names, not files
                if status.st_dev != top_status.st_dev:
                    folders[:] = [other for other in folders if other != name]
                elif reason := _find_problem(path, status, uid):
                    yield path, reason, name, directory_fd, status
        yield from ((str(error.filename), f"cannot be read: {error.strerror}", "", -1, None) for error in errors)
    finally:
        os.close(top_fd)


def _find_problem(path: str, status: os.stat_result, uid: int) -> str:
    """Return what is wrong, "" if nothing is."""
    if status.st_uid != uid:
        return f"belongs to user {status.st_uid}"
    return (
        ""
        if stat.S_ISLNK(status.st_mode) or _expected_mode(path, status) == stat.S_IMODE(status.st_mode)
        else "is not writable"
    )


def _expected_mode(path: str, status: os.stat_result) -> int:
    """Return the mode that it should have."""
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        return mode | stat.S_IRWXU
    parts = path.split("/")
    if not stat.S_ISREG(status.st_mode) or "objects" in parts[:-1] or "hooks" in parts[:-1]:
        return mode
    is_rewritten = {"refs", "logs"} & set(parts[:-1]) or any(
        fnmatch.fnmatchcase(parts[-1], pattern) for pattern in WRITTEN
    )
    return mode | stat.S_IRUSR | stat.S_IWUSR if is_rewritten else mode


def _change(name: str, directory_fd: int, status: os.stat_result, owner: tuple[int, int], mode: int) -> None:
    """Change the owner and the mode of a file, a directory or a link (its owner only). Raises OSError."""
    if status.st_uid != owner[0]:
        os.chown(name, *owner, dir_fd=directory_fd, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode) or mode == stat.S_IMODE(status.st_mode):
        return
    if not hasattr(os, "O_PATH"):
        os.chmod(name, mode, dir_fd=directory_fd, follow_symlinks=False)
        return
    # Linux cannot chmod without following links, except through an open file descriptor.
    file_fd = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=directory_fd)
    try:
        if os.path.samestat(os.fstat(file_fd), status):
            os.chmod(f"/proc/self/fd/{file_fd}", mode)  # noqa: PTH101
    finally:
        os.close(file_fd)


if __name__ == "__main__":
    print(json.dumps([[wrong.path, wrong.reason] for wrong in repair(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))]))
