"""Small files that we keep between runs, in the user's state directory (XDG Base Directory specification)."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from goldi_tasks import atomic, ownership
from goldi_tasks.errors import NoPermission

# A change as young as this, in nanoseconds, may be followed by one that does not show: file systems keep times to
# 10 ms, some to 2 s. What is remembered by what stat says is not younger.
YOUNG = 2_000_000_000


def directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Where this user's state is kept: `$XDG_STATE_HOME/goldi` or `~/.local/state/goldi`. It may not exist.

    Raises NoPermission where somebody else can write, or could have.
    """
    return folder(environ=environ)


def folder(*names: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The directory `names` in it, or itself. It may not exist. Raises NoPermission as `directory` does."""
    home = environ.get("XDG_STATE_HOME", "")
    # "If an implementation encounters a relative path [...] it should consider the path invalid and ignore it."
    found = (Path(home) if home.startswith("/") else Path.home() / ".local" / "state").joinpath("goldi", *names)
    if wrong := ownership.trouble(found, "a directory of yours with XDG_STATE_HOME"):
        raise NoPermission(*wrong)
    return found


def make(directory: Path, owner: atomic.Owner | None = None) -> None:
    """Make `directory` and those above it that are missing, for this user only. Raises OSError.

    Under sudo what is made in a directory of the user's is the user's, here and below. The directory itself is for
    `owner`, if that is given.
    """
    missing = []
    for folder in (directory, *directory.parents):
        if folder.is_dir():
            break
        missing.append(folder)
    for folder in reversed(missing):
        one = owner if owner and folder == directory else ownership.owner_in(folder.parent)
        if not atomic.make_directory(folder, 0o700, one) and not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def write(file: Path, text: str) -> None:
    """Put `text` in `file` as a whole or not at all, for this user only. Raises OSError."""
    write_bytes(file, text.encode(errors="surrogateescape"))


def write_bytes(file: Path, data: bytes) -> None:
    """Put `data`, which may be no text, in `file` as `write` does. Raises OSError."""
    make(file.parent)
    atomic.write(file, data, owner=ownership.owner_in(file.parent))


def open_lock(file: Path) -> int:
    """Open `file`, which is made if it is not there, for a lock. Raises OSError."""
    make(file.parent)
    return atomic.open_lock(file, ownership.owner_in(file.parent))


def rewrite(file: Path, text: str, owner: atomic.Owner | None = None) -> None:
    """Put `text` in `file`, which stays the same file if it is there, since it may be mounted. Raises OSError.

    It is for `owner`, if that is given.
    """
    data = text.encode(errors="surrogateescape")
    if not file.exists():
        make(file.parent)
        if atomic.write(file, data, owner=owner or ownership.owner_in(file.parent), replace=False):
            return
    if file.read_bytes() != data:
        file.write_bytes(data)
    if owner:
        atomic.give(file, owner)
