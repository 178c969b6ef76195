"""Find and repair files in git's directory that a container left with another owner or not writable."""

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.devcontainer import devcontainer_arguments, git_ownership
from goldi_tasks.devcontainer.git_ownership import GitProblem
from goldi_tasks.errors import CommandFailed, Interrupted, NoPermission, NotAProject
from goldi_tasks.settings import Settings


@dataclass(frozen=True)
class GitDirectoryReport:
    """The problems in `folder` for the user `uid`, `gid`."""

    folder: Path
    uid: int
    gid: int
    wrong: tuple[GitProblem, ...]


def inspect(settings: Settings, environ: Mapping[str, str] = os.environ) -> GitDirectoryReport:
    """Return what is wrong in git's directory of the project; for a worktree, in that of the main repository.

    Raises NotAProject without git, NoPermission if it cannot be read.
    """
    folder = directory(settings.project)
    uid, gid = _expected_owner(settings.project, environ)
    try:
        return GitDirectoryReport(folder, uid, gid, tuple(git_ownership.find_problems(str(folder), uid)))
    except OSError as error:
        raise NoPermission(
            f"{folder} cannot be read: {error.strerror}", f"Run {_chown_hint(folder, uid, gid)}"
        ) from error


def repair(report: GitDirectoryReport, images: Iterable[str]) -> list[GitProblem]:
    """Repair the problems of `report`; return those that remain.

    Files of other users are changed in a container of one of `images`. Raises NoPermission if no container can do it.
    """
    folder, uid, gid = report.folder, report.uid, report.gid
    has_foreign_files = any(wrong.reason != "is not writable" for wrong in report.wrong)
    if not has_foreign_files or os.getuid() == 0:
        return git_ownership.repair(str(folder), uid, gid)
    for image in images:
        with suppress(CommandFailed, ValueError):
            # Without an engine, the image or Python in it: try the next image.
            return _repair_in_container(image, report)
    problem = f"files of other users in {folder} can only be changed by root, and no image of the project exists"
    raise NoPermission(problem, f"Run {_chown_hint(folder, uid, gid)}, or build an image with `inv build.tools`")


def directory(project: Path) -> Path:
    """Return the git directory of `project`. Raises NotAProject."""
    # Without safe.directory git refuses a directory of another user, which is a case to repair.
    git = ("git", "-c", "safe.directory=*", "-C", str(project), "rev-parse", "--path-format=absolute")
    try:
        return Path(process.capture(Command((*git, "--git-common-dir"))).strip())
    except CommandFailed as error:
        if error.code == 127:
            raise
        raise NotAProject(f"{project} is not in a git repository", "Change to one, or run `git init`") from error


def _expected_owner(project: Path, environ: Mapping[str, str]) -> tuple[int, int]:
    """Return the uid and gid that should own it: the caller's; for root, sudo's caller or the project's owner."""
    if os.getuid() != 0:
        return os.getuid(), os.getgid()
    if environ.get("SUDO_UID", "").isdigit():
        return int(environ["SUDO_UID"]), int(environ.get("SUDO_GID") or 0)
    status = project.stat()
    return status.st_uid, status.st_gid


def _repair_in_container(image: str, report: GitDirectoryReport) -> list[GitProblem]:
    """Repair as root in a container that mounts only this directory; return what remains."""
    name = f"goldi-git-{uuid.uuid4().hex[:12]}"
    numbers = system_info.map_owner((report.uid, report.gid))
    command = devcontainer_arguments.run_owner_program(image, name, report.folder, tuple(map(str, numbers)))
    try:
        output = process.capture(command, stdin=Path(git_ownership.__file__).read_text(encoding="utf-8"))
    except Interrupted:
        # Only docker's client has ended: the container still runs.
        with suppress(CommandFailed):
            process.capture(devcontainer_arguments.remove([name]))
        raise
    return [GitProblem(*row) for row in json.loads(output)]


def _chown_hint(folder: Path, uid: int, gid: int) -> str:
    """Return the command with which root repairs everything, in backticks."""
    return f"`sudo chown -R -h {uid}:{gid} '{folder}'`"
