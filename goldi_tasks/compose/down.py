"""The stack taken down: what `up` made goes; data stay unless somebody agreed to their end."""

from collections.abc import Callable

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.compose import compose_errors, compose_project, containers, host_setup, preflight, stack_owner
from goldi_tasks.errors import CommandFailed, StackRefused
from goldi_tasks.settings import Settings

# Gets what would be lost, as a clause. Raises unless somebody agrees to that.
Confirm = Callable[[str], None]


def down(settings: Settings, confirm: Confirm | None, *, agreed: bool = False) -> None:
    """Remove containers, networks and the volumes that are directories of caches, whose content stays.

    With `confirm` the data volumes go too. `agreed` is whether it asks nobody: then nothing goes of which nobody knows
    whose it is. Raises StackRefused for what belongs to another checkout, before anything is touched.
    """
    compose = compose_project.open_project(settings)
    name = compose_project.load(settings, compose).name
    stack_owner.expect_ours(settings, name, containers.listed(project=name))
    there = preflight.volumes(name)
    caches = [one for one in there if "bind" in str((one.get("Options") or {}).get("o", "")).split(",")]
    data = [one for one in there if one not in caches]
    named = [str(one["Name"]) for one in data]
    if confirm and data:
        unknown = stack_owner.unknown(settings, data)
        if unknown and agreed:
            remedy = f"If nobody needs what is in it: `docker volume rm {' '.join(unknown)}`"
            problem = f"nobody knows who made the volume {unknown[0]}, and no container here uses it"
            raise StackRefused(problem, remedy)
        if not process.is_dry():
            confirm(_loss(settings, name, named, unknown))
    _live(settings, compose.command(("*",), "down", "--remove-orphans"))
    if going := [*(str(one["Name"]) for one in caches), *(named if confirm else ())]:
        _live(settings, Command(("docker", "volume", "rm", *going)))
    if not process.is_dry():
        host_setup.forget_logins(settings)
    if data and not confirm:
        print(f"kept data volumes: {', '.join(named)} (--volumes removes them)")


def _loss(settings: Settings, name: str, named: list[str], unknown: list[str]) -> str:
    """What goes with the data volumes."""
    loss = f"--volumes deletes the data of the stack '{name}' of {settings.project}: {', '.join(named)}"
    return loss + (f", and nobody knows who made {', '.join(unknown)}" if unknown else "")


def _live(settings: Settings, command: Command) -> None:
    if process.is_dry():
        process.live(command)
        return
    try:
        process.listen(command, cwd=settings.project)
    except CommandFailed as error:
        raise compose_errors.explained(error, settings.project) from error
