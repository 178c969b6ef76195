"""What a tools container is told of this machine: the directories it sees, who the caller is, what git needs."""

import hashlib
import os
import pwd
import stat
from collections.abc import Mapping
from pathlib import Path

from goldi_tasks import process, state
from goldi_tasks.checks.check_arguments import HOME, Tools
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, NotAProject
from goldi_tasks.settings import Settings

# What lies in the shared directory for the container.
_SCRIPTS = ("agent.py", "job.sh", "guard.sh", "run-with-env.sh")


def trees(project: Path, home: Path) -> tuple[Path, ...]:
    """The directories to mount at their own paths: the work tree that `project` lies in, and where git keeps it.

    In a worktree and in a submodule `.git` is a file that points outside of the tree. A work tree that holds the
    user's `home` is not mounted whole.
    """
    for top in (project, *project.parents):
        mark = top / ".git"
        if top == home or top in home.parents:
            break
        if mark.is_dir():
            return (top,)
        if mark.is_file():
            return _apart(top, _common(top, mark))
    return (project,)


def shared(settings: Settings) -> Path:
    """The directory that the project's tools containers share with us. It may not exist."""
    return state.folder("checks", settings.key)


def furnish(tools: Tools) -> None:
    """Put into the shared directory what a container finds there: our scripts, and lists of users."""
    for name, text in _texts().items():
        state.write(tools.shared / name, text)
    _introduce(tools.shared, *map(int, tools.user.split(":")))


def scripts() -> str:
    """A digest of our scripts."""
    return hashlib.sha256("".join(_texts().values()).encode()).hexdigest()


def _texts() -> dict[str, str]:
    here = Path(__file__).parent
    return {file.name: file.read_text("utf-8") for file in (here / name for name in _SCRIPTS)}


def _introduce(folder: Path, uid: int, gid: int) -> None:
    """Write the lists of users for a container that runs as `uid` and `gid`, so that the caller has a name there."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = "goldi"
    users = {0: "root:x:0:0:root:/root:/bin/bash", uid: f"{name}:x:{uid}:{gid}::{HOME}:/bin/bash"}
    groups = {0: "root:x:0:", gid: f"{name if gid else 'root'}:x:{gid}:"}
    nobody = {65534: "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin"}
    state.write(folder / "passwd", "".join(f"{line}\n" for line in (nobody | users).values()))
    state.write(folder / "group", "".join(f"{line}\n" for line in ({65534: "nogroup:x:65534:"} | groups).values()))


def git(
    settings: Settings, mounted: tuple[Path, ...], environ: Mapping[str, str] = os.environ
) -> list[tuple[str, str]]:
    """Git's configuration inside: it trusts just these directories, whoever owns them, and knows the caller's name."""
    found = [("safe.directory", str(tree)) for tree in mounted]
    for key in ("user.name", "user.email"):
        try:
            said = process.capture(Command(("git", "-C", str(settings.project), "config", "--get", key))).strip()
        except CommandFailed:
            continue
        found.append((key, said))
    return found


def lock(settings: Settings) -> Path:
    """The lock of the project's tools. Raises NotAProject."""
    file = settings.project / "requirements-dev.lock"
    if not file.is_file():
        raise NotAProject(f"{settings.project} has no {file.name}", "Make it with `uv pip compile --generate-hashes`")
    return file


def identities(directories: list[Path]) -> tuple[tuple[int, ...], ...]:
    """What tells directories apart from others that were made anew in their place; () for one that is not there."""
    return tuple(_identity(directory) for directory in directories)


def _identity(directory: Path) -> tuple[int, ...]:
    try:
        found = directory.lstat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_uid) if stat.S_ISDIR(found.st_mode) else ()


def _common(top: Path, mark: Path) -> Path | None:
    """The directory that holds all that git keeps of the work tree `top`, whose `.git` is the file `mark`."""
    try:
        said = mark.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        own = Path(os.path.normpath(top / said))
        pointer = own / "commondir"
        common = own / pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else own
        return Path(os.path.normpath(common)) if common.is_dir() else None
    except (OSError, UnicodeError):
        return None


def _apart(top: Path, common: Path | None) -> tuple[Path, ...]:
    """Both, but not what lies in the other."""
    if common is None or common.is_relative_to(top):
        return (top,)
    return (top, common)
