"""When a project's caches were last used, and where the project is: what no file system tells.

A tool that only reads leaves no trace in a newest change, and times of access depend on how a disk is mounted, and
change when somebody looks. So what is handed to a build or a container is marked by the time of its directory.
"""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from goldi_tasks import state

# Seconds in which a mark is not made anew: a change of a directory that somebody watches, and a write.
PAUSE = 1800.0
# Seconds for which what was handed out is left alone: a container that gets it may not run yet.
FRESH = 3600.0


def mark(directory: Path) -> None:
    """Note that `directory` is used now; one that cannot be marked is as old as what is in it."""
    with suppress(OSError):
        found = directory.lstat()
        if time.time() - found.st_mtime > PAUSE:
            os.utime(directory, follow_symlinks=False)


def remember(key: str, project: Path) -> None:
    """Note where the project `key` is, once: its name in the caches does not tell."""
    file = projects() / key
    with suppress(OSError, ValueError):
        if not file.is_file() or file.read_bytes() != os.fsencode(project):
            state.write_bytes(file, os.fsencode(project))


def projects(environ: Mapping[str, str] = os.environ) -> Path:
    """A file for each project that was built or checked here, with its path."""
    return state.directory(environ) / "projects"


def place(key: str) -> Path | None:
    """Where the project `key` is, or was; None if that was never noted."""
    try:
        said = (projects() / key).read_bytes()
        return Path(os.fsdecode(said)) if said.startswith(b"/") and b"\0" not in said else None
    except OSError:
        return None


def gone(key: str) -> bool:
    """Whether the project was removed: it is not there, and the directory that held it is.

    A disk that is not mounted now took that along, or left it empty.
    """
    path = place(key)
    try:
        return path is not None and not path.exists() and any(path.parent.iterdir())
    except OSError:
        return False
