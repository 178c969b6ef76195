"""The stack taken down: what `up` made goes; data stay unless their end was asked for, after they were shown."""

from collections.abc import Callable, Sequence

from goldi_tasks import run
from goldi_tasks.command import Command
from goldi_tasks.compose import preflight, stack, trouble
from goldi_tasks.compose.stack import Doors
from goldi_tasks.errors import CommandFailed
from goldi_tasks.settings import Settings

# Is shown what would be lost; says whether to go on.
Consent = Callable[[Sequence[str]], bool]


def down(settings: Settings, doors: Doors, consent: Consent | None) -> bool:
    """Remove containers, networks and the volumes that are directories of caches, whose content stays.

    With `consent` the data volumes go too, once it has said so; without it nothing is touched, and False returned.
    """
    compose = stack.door(settings, doors.env())
    name = stack.load(settings, compose).name
    caches, data = _volumes(name)
    if consent and data and not run.is_dry() and not consent(data):
        return False
    _live(settings, compose.command(("*",), "down", "--remove-orphans"))
    if going := [*caches, *(data if consent else ())]:
        _live(settings, Command(("docker", "volume", "rm", *going)))
    if data and not consent:
        print(f"kept data volumes: {', '.join(data)} (--volumes removes them)")
    return True


def _volumes(project: str) -> tuple[list[str], list[str]]:
    """The volumes of a stack: those that stand for a directory, and those that hold data."""
    found = preflight.volumes(project)
    caches = [str(one["Name"]) for one in found if "bind" in str((one.get("Options") or {}).get("o", "")).split(",")]
    return caches, [str(one["Name"]) for one in found if one["Name"] not in caches]


def _live(settings: Settings, command: Command) -> None:
    if run.is_dry():
        run.live(command)
        return
    try:
        run.listen(command, cwd=settings.project)
    except CommandFailed as error:
        raise trouble.explained(error, settings.project) from error
