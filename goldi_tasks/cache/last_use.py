"""Record when a project's caches were last used, and the path of the project.

The file system does not record it: a tool that only reads changes no mtime, and atime depends on the mount options and
changes with every listing. So the mtime of a cache's directory is set whenever a build or a container gets it.
"""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from goldi_tasks import state

# Seconds between two marks of a directory: each one is a write, and an event for programs that watch the directory.
PAUSE = 1800.0
# Seconds for which a marked cache is not removed: the container that will mount it may not run yet.
FRESH = 3600.0


def mark_used(directory: Path) -> None:
    """Set the mtime of `directory` to now. Without permission nothing happens: then its content tells its age."""
    with suppress(OSError):
        if time.time() - directory.lstat().st_mtime > PAUSE:
            os.utime(directory, follow_symlinks=False)


def record_project_path(key: str, project: Path) -> None:
    """Record the path of the project `key`, which the name of its cache directory does not contain."""
    file = projects() / key
    with suppress(OSError, ValueError):
        if not file.is_file() or file.read_bytes() != os.fsencode(project):
            state.write_bytes(file, os.fsencode(project))


def projects(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory with a file for each project that was built or checked here; it holds the project's path."""
    return state.directory(environ) / "projects"


def read_project_path(key: str) -> Path | None:
    """Return the recorded path of the project `key`, None if there is no valid record."""
    try:
        path = (projects() / key).read_bytes()
        return Path(os.fsdecode(path)) if path.startswith(b"/") and b"\0" not in path else None
    except OSError:
        return None


def is_project_deleted(key: str) -> bool:
    """Return whether the project was deleted: its recorded path is missing, and its parent directory is not empty.

    A missing or empty parent directory may be the mount point of a disk that is not mounted now.
    """
    path = read_project_path(key)
    try:
        return path is not None and not path.exists() and any(path.parent.iterdir())
    except OSError:
        return False
