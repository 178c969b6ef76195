"""Ask git for the state of a project's checkout; without a repository, or if git fails, every field is empty."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.bake.revision import Revision
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed

_ARGUMENTS = (
    ("log", "-1", "--format=%H %cI"),
    ("symbolic-ref", "--quiet", "--short", "HEAD"),
    ("status", "--porcelain", "--untracked-files=no"),
    ("describe", "--tags", "--exact-match"),
    ("config", "--get", "remote.origin.url"),
)


def read_checkout(project: Path) -> Revision:
    """Return the revision that is checked out in `project`."""
    with ThreadPoolExecutor() as pool:
        log, branch, changes, tag, origin = pool.map(lambda arguments: _git(project, arguments), _ARGUMENTS)
    commit, _, date = log.partition(" ")
    return Revision(commit, not changes, date, tag, branch, origin)


def _git(project: Path, arguments: tuple[str, ...]) -> str:
    """Return the output of a git command; "" if it fails."""
    try:
        return process.capture(Command(("git", *arguments)), cwd=project).strip()
    except CommandFailed:
        return ""
