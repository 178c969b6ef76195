"""Collect what a tools container gets of this machine: directories, the caller's user, and git's configuration."""

import hashlib
import os
import pwd
import stat
from collections.abc import Mapping
from pathlib import Path

from goldi_tasks import process, state
from goldi_tasks.checks.check_arguments import HOME, ToolsContainer
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, NotAProject
from goldi_tasks.settings import Settings

# Copied to the shared directory for the container.
_SCRIPTS = ("agent.py", "job.sh", "guard.sh", "run-with-env.sh")


def find_mounted_trees(project: Path, home: Path) -> tuple[Path, ...]:
    """Return the directories to mount at their own paths: the work tree around `project`, and its git directory.

    In a worktree and in a submodule `.git` is a file that points outside of the tree. A work tree that contains the
    user's `home` is not mounted: only `project` is.
    """
    for top in (project, *project.parents):
        git_file = top / ".git"
        if top == home or top in home.parents:
            break
        if git_file.is_dir():
            return (top,)
        if git_file.is_file():
            return _without_nested(top, _git_directory(top, git_file))
    return (project,)


def shared(settings: Settings) -> Path:
    """Return the directory that the project's tools containers share with the host. It may not exist."""
    return state.folder("checks", settings.key)


def write_shared_files(tools: ToolsContainer) -> None:
    """Write our scripts and the lists of users to the shared directory. Raises OSError."""
    for name, text in _read_scripts().items():
        state.write(tools.shared / name, text)
    _write_user_lists(tools.shared, *map(int, tools.user.split(":")))


def scripts() -> str:
    """Return a digest of our scripts."""
    return hashlib.sha256("".join(_read_scripts().values()).encode()).hexdigest()


def _read_scripts() -> dict[str, str]:
    here = Path(__file__).parent
    return {file.name: file.read_text("utf-8") for file in (here / name for name in _SCRIPTS)}


def _write_user_lists(directory: Path, uid: int, gid: int) -> None:
    """Write passwd and group for a container that runs as `uid` and `gid`, so that the caller has a name there."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = "goldi"
    users = {0: "root:x:0:0:root:/root:/bin/bash", uid: f"{name}:x:{uid}:{gid}::{HOME}:/bin/bash"}
    groups = {0: "root:x:0:", gid: f"{name if gid else 'root'}:x:{gid}:"}
    nobody = {65534: "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin"}
    state.write(directory / "passwd", "".join(f"{line}\n" for line in (nobody | users).values()))
    state.write(directory / "group", "".join(f"{line}\n" for line in ({65534: "nogroup:x:65534:"} | groups).values()))


def git(
    settings: Settings, mounted: tuple[Path, ...], environ: Mapping[str, str] = os.environ
) -> list[tuple[str, str]]:
    """Return git's configuration in the container: it trusts only `mounted`, and has the caller's name and address."""
    entries = [("safe.directory", str(tree)) for tree in mounted]
    for key in ("user.name", "user.email"):
        try:
            setting = process.capture(Command(("git", "-C", str(settings.project), "config", "--get", key))).strip()
        except CommandFailed:
            continue
        entries.append((key, setting))
    return entries


def lock(settings: Settings) -> Path:
    """Return the lock file of the project's tools. Raises NotAProject if it is missing."""
    file = settings.project / "requirements-dev.lock"
    if not file.is_file():
        raise NotAProject(f"{settings.project} has no {file.name}", "Make it with `uv pip compile --generate-hashes`")
    return file


def identities(directories: list[Path]) -> tuple[tuple[int, ...], ...]:
    """Return device, inode and owner of each directory, which differ if it was created again; () for a missing one."""
    return tuple(_identity(directory) for directory in directories)


def _identity(directory: Path) -> tuple[int, ...]:
    try:
        status = directory.lstat()
    except OSError:
        return ()
    return (status.st_dev, status.st_ino, status.st_uid) if stat.S_ISDIR(status.st_mode) else ()


def _git_directory(top: Path, git_file: Path) -> Path | None:
    """Return the common git directory of the work tree `top`, whose `.git` is the file `git_file`; None if invalid."""
    try:
        target = git_file.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        worktree_directory = Path(os.path.normpath(top / target))
        pointer = worktree_directory / "commondir"
        relative_path = pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else ""
        common_directory = worktree_directory / relative_path
        return Path(os.path.normpath(common_directory)) if common_directory.is_dir() else None
    except (OSError, UnicodeError):
        return None


def _without_nested(top: Path, git_directory: Path | None) -> tuple[Path, ...]:
    """Return both directories, without `git_directory` if it is None or inside `top`."""
    if git_directory is None or git_directory.is_relative_to(top):
        return (top,)
    return (top, git_directory)
