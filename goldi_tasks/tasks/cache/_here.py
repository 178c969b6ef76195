"""What the tasks of the namespace have in common."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from goldi_tasks import settings as project_settings
from goldi_tasks import wiring
from goldi_tasks.errors import NotAProject
from goldi_tasks.paths import Roots
from goldi_tasks.settings import Settings


def say(lines: Iterable[str], json: bool) -> None:
    for line in lines:
        print(line, file=sys.stderr if json else sys.stdout, flush=True)


def set_up_project() -> None:
    """The project's own part, where there is a project that builds."""
    settings = project()
    if settings and settings.env_file.parent.is_dir():
        wiring.set_up(settings)()


def project() -> Settings | None:
    """The project's settings; None outside one."""
    with suppress(NotAProject):
        return project_settings.load(Path.cwd())
    return None


def roots() -> Roots:
    """Where the caches lie; outside a project too, since the directories are the machine's."""
    return (project() or project_settings.outside()).roots
