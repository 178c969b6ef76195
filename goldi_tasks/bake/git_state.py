"""What git says of the project: of a directory without git, or where git refuses, nothing."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.bake.revision import Revision
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed

_QUESTIONS = (
    ("log", "-1", "--format=%H %cI"),
    ("symbolic-ref", "--quiet", "--short", "HEAD"),
    ("status", "--porcelain", "--untracked-files=no"),
    ("describe", "--tags", "--exact-match"),
    ("config", "--get", "remote.origin.url"),
)


def look(project: Path) -> Revision:
    """The revision that is checked out in `project`."""
    with ThreadPoolExecutor() as pool:
        told, branch, changed, tag, origin = pool.map(lambda words: _ask(project, words), _QUESTIONS)
    commit, _, date = told.partition(" ")
    return Revision(commit, not changed, date, tag, branch, origin)


def _ask(project: Path, words: tuple[str, ...]) -> str:
    try:
        return process.capture(Command(("git", *words)), cwd=project).strip()
    except CommandFailed:
        return ""
