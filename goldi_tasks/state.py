"""Keep small files between runs, in the user's state directory (XDG Base Directory specification)."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from goldi_tasks import atomic, ownership
from goldi_tasks.errors import NoPermission

# Nanoseconds within which a second change of a file may not change its time: file systems keep times to 10 ms, some to
# 2 s. Nothing is remembered by the stat of files that are younger.
YOUNG = 2_000_000_000


def directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Return this user's state directory, `$XDG_STATE_HOME/goldi` or `~/.local/state/goldi`. It may not exist.

    Raises NoPermission where another user can write.
    """
    return folder(environ=environ)


def folder(*names: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory `names` in the state directory. It may not exist. Raises NoPermission like `directory`."""
    home = environ.get("XDG_STATE_HOME", "")
    # "If an implementation encounters a relative path [...] it should consider the path invalid and ignore it."
    directory = (Path(home) if home.startswith("/") else Path.home() / ".local" / "state").joinpath("goldi", *names)
    if problem := ownership.find_problem(directory, "a directory of yours with XDG_STATE_HOME"):
        raise NoPermission(*problem)
    return directory


def make(directory: Path, owner: atomic.Owner | None = None) -> None:
    """Create `directory` and its missing parents, accessible to this user only. Raises OSError.

    Under sudo a new directory in one of the user's belongs to the user. `directory` itself belongs to `owner`, if that
    is given.
    """
    missing = []
    for ancestor in (directory, *directory.parents):
        if ancestor.is_dir():
            break
        missing.append(ancestor)
    for ancestor in reversed(missing):
        ancestor_owner = owner if owner and ancestor == directory else ownership.owner_of_new_files(ancestor.parent)
        if not atomic.make_directory(ancestor, 0o700, ancestor_owner) and not ancestor.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(ancestor))


def write(file: Path, text: str) -> None:
    """Write `text` to `file` completely or not at all, readable for this user only. Raises OSError."""
    write_bytes(file, text.encode(errors="surrogateescape"))


def write_bytes(file: Path, data: bytes) -> None:
    """Write bytes to `file` as `write` writes text. Raises OSError."""
    make(file.parent)
    atomic.write(file, data, owner=ownership.owner_of_new_files(file.parent))


def open_lock(file: Path) -> int:
    """Open `file` for a lock, and create it if it is missing. Raises OSError."""
    make(file.parent)
    return atomic.open_lock(file, ownership.owner_of_new_files(file.parent))


def rewrite(file: Path, text: str, owner: atomic.Owner | None = None) -> None:
    """Write `text` to `file` in place, which keeps its inode since it may be mounted. Raises OSError.

    `owner` gets the file, if that is given.
    """
    data = text.encode(errors="surrogateescape")
    if not file.exists():
        make(file.parent)
        if atomic.write(file, data, owner=owner or ownership.owner_of_new_files(file.parent), replace=False):
            return
    if file.read_bytes() != data:
        file.write_bytes(data)
    if owner:
        atomic.change_owner(file, owner)
