"""Git's directory, as a container may have left it: what is not the caller's or not writable, and mending that."""

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.client import rootless
from goldi_tasks.command import Command
from goldi_tasks.devcontainer import devcontainer_arguments, git_ownership
from goldi_tasks.devcontainer.git_ownership import Wrong
from goldi_tasks.errors import CommandFailed, Interrupted, NoPermission, NotAProject
from goldi_tasks.settings import Settings


@dataclass(frozen=True)
class Report:
    """What is wrong in `folder` for its user."""

    folder: Path
    uid: int
    gid: int
    wrong: tuple[Wrong, ...]


def look(settings: Settings, environ: Mapping[str, str] = os.environ) -> Report:
    """What is wrong in git's directory of the project; of a worktree, in that of all worktrees.

    Raises NotAProject without git, NoPermission if it cannot be read.
    """
    folder = directory(settings.project)
    uid, gid = _user(settings.project, environ)
    try:
        return Report(folder, uid, gid, tuple(git_ownership.look(str(folder), uid)))
    except OSError as error:
        raise NoPermission(f"{folder} cannot be read: {error.strerror}", f"Run {_by_hand(folder, uid, gid)}") from error


def mend(report: Report, images: Iterable[str]) -> list[Wrong]:
    """Mend what is wrong, what belongs to others in a container of one of `images`; what stays wrong.

    Raises NoPermission where no container could do it.
    """
    folder, uid, gid = report.folder, report.uid, report.gid
    others = any(one.reason != "is not writable" for one in report.wrong)
    if not others or os.getuid() == 0:
        return git_ownership.mend(str(folder), uid, gid)
    for image in images:
        with suppress(CommandFailed, ValueError):
            # No engine, no such image, or no Python in it: the next one, or the user is told what to do.
            return _in_container(image, report)
    problem = f"what belongs to others in {folder} can be changed by root only, and no image of the project is there"
    raise NoPermission(problem, f"Run {_by_hand(folder, uid, gid)}, or build one with `inv build.tools`")


def directory(project: Path) -> Path:
    """Where git keeps what `project` has. Raises NotAProject."""
    # It refuses a directory that is another user's, which is what there is to mend.
    git = ("git", "-c", "safe.directory=*", "-C", str(project), "rev-parse", "--path-format=absolute")
    try:
        return Path(process.capture(Command((*git, "--git-common-dir"))).strip())
    except CommandFailed as error:
        if error.code == 127:
            raise
        raise NotAProject(f"{project} is not in a git repository", "Change to one, or run `git init`") from error


def _user(project: Path, environ: Mapping[str, str]) -> tuple[int, int]:
    """Whose it should be: the caller's; for root that of who called it, or who owns the project."""
    if os.getuid() != 0:
        return os.getuid(), os.getgid()
    if environ.get("SUDO_UID", "").isdigit():
        return int(environ["SUDO_UID"]), int(environ.get("SUDO_GID") or 0)
    found = project.stat()
    return found.st_uid, found.st_gid


def _in_container(image: str, report: Report) -> list[Wrong]:
    name = f"goldi-git-{uuid.uuid4().hex[:12]}"
    numbers = rootless.numbers((report.uid, report.gid))
    command = devcontainer_arguments.owner(image, name, report.folder, tuple(map(str, numbers)))
    try:
        said = process.capture(command, stdin=Path(git_ownership.__file__).read_text(encoding="utf-8"))
    except Interrupted:
        # The client has ended; the container would go on.
        with suppress(CommandFailed):
            process.capture(devcontainer_arguments.remove([name]))
        raise
    return [Wrong(*row) for row in json.loads(said)]


def _by_hand(folder: Path, uid: int, gid: int) -> str:
    return f"`sudo chown -R -h {uid}:{gid} '{folder}'`"
