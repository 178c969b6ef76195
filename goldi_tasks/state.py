"""Small files that we keep between runs, in the user's state directory (XDG Base Directory specification)."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from goldi_tasks import whose
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
    if wrong := whose.trouble(found, "a directory of yours with XDG_STATE_HOME"):
        raise NoPermission(*wrong)
    return found


def write(file: Path, text: str) -> None:
    """Put `text` in `file` as a whole or not at all, for this user only. Raises OSError."""
    write_bytes(file, text.encode())


def write_bytes(file: Path, data: bytes) -> None:
    """The same with what may be no text."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        Path(draft).replace(file)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def rewrite(file: Path, text: str) -> None:
    """Put `text` in `file`, which stays the same file if it is there, since it may be mounted. Raises OSError."""
    if not file.is_file():
        write(file, text)
    elif file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")
