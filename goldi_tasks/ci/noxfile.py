"""List the sessions of the project's noxfile with nox."""

import sys
from collections.abc import Sequence
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.ci import jobs
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, NotAProject
from goldi_tasks.settings import Settings


def nox(settings: Settings) -> tuple[str, ...]:
    """Return the nox command for the project, to be followed by arguments. Raises NotAProject."""
    noxfile = settings.project / "noxfile.py"
    if not noxfile.is_file():
        problem = f"{settings.project} has no noxfile.py"
        raise NotAProject(problem, "Create it with a session for each check, see `container_session`")
    return jobs.nox(Path(sys.executable), noxfile)


def sessions(settings: Settings, names: Sequence[str] = (), *, every: bool = False) -> list[jobs.Session]:
    """Return the sessions that plain `nox` runs, or all if `every`; with `names` only those.

    Raises NotAProject, UnknownName, and CommandFailed for a noxfile that cannot be read.
    """
    keyword = ("--keywords", jobs.EVERY) if every or names else ()
    command = Command((*nox(settings), "--list", "--json", *keyword))
    try:
        listed = jobs.sessions(process.capture(command, cwd=settings.project))
    except CommandFailed as error:
        # The last line: for an error in the noxfile nox prints its traceback.
        reason = error.problem.rstrip().rpartition("\n")[2].removeprefix("nox: ").removeprefix("nox > ")
        raise CommandFailed(f"{command.argv[2]}: {reason}", error.code, "Run `nox --list` to see where") from error
    return jobs.select_sessions(listed, names) if names else listed
