"""Take the stack down. Data volumes stay unless their removal was confirmed."""

from collections.abc import Callable

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.compose import compose_errors, compose_project, containers, host_setup, preflight, stack_owner
from goldi_tasks.errors import CommandFailed, StackRefused
from goldi_tasks.settings import Settings

# Called with what would be lost, as a clause. Raises unless the user agrees.
Confirm = Callable[[str], None]


def down(settings: Settings, confirm: Confirm | None, *, agreed: bool = False) -> None:
    """Remove containers, networks and the volumes that are directories of caches, whose content stays.

    With `confirm` the data volumes are removed too. If `agreed`, `confirm` asks nobody; then a volume of unknown origin
    is refused. Raises StackRefused for what belongs to another checkout, before anything is changed.
    """
    compose = compose_project.open_project(settings)
    name = compose_project.load(settings, compose).name
    stack_owner.expect_ours(settings, name, containers.list_containers(project=name))
    volumes = preflight.list_volumes(name)
    cache_volumes = [
        volume for volume in volumes if "bind" in str((volume.get("Options") or {}).get("o", "")).split(",")
    ]
    data_volumes = [volume for volume in volumes if volume not in cache_volumes]
    data_names = [str(volume["Name"]) for volume in data_volumes]
    if confirm and data_volumes:
        unknown_names = stack_owner.find_unknown_volumes(settings, data_volumes)
        if unknown_names and agreed:
            remedy = f"If its data is not needed, run `docker volume rm {' '.join(unknown_names)}`"
            problem = (
                f"it is unknown which checkout created the volume {unknown_names[0]}, and no container here uses it"
            )
            raise StackRefused(problem, remedy)
        if not process.is_dry():
            confirm(_describe_loss(settings, name, data_names, unknown_names))
    _run(settings, compose.command(("*",), "down", "--remove-orphans"))
    if removed_names := [*(str(volume["Name"]) for volume in cache_volumes), *(data_names if confirm else ())]:
        _run(settings, Command(("docker", "volume", "rm", *removed_names)))
    if not process.is_dry():
        host_setup.forget_logins(settings)
    if data_volumes and not confirm:
        print(f"kept data volumes: {', '.join(data_names)} (--volumes removes them)")


def _describe_loss(settings: Settings, name: str, data_names: list[str], unknown_names: list[str]) -> str:
    """Return what is lost with the data volumes, as a clause."""
    loss = f"--volumes deletes the data of the stack '{name}' of {settings.project}: {', '.join(data_names)}"
    return loss + (f"; it is unknown which checkout created {', '.join(unknown_names)}" if unknown_names else "")


def _run(settings: Settings, command: Command) -> None:
    """Run a command and show its output. Raises what a failure of compose means."""
    if process.is_dry():
        process.run_in_terminal(command)
        return
    try:
        process.capture_stderr(command, cwd=settings.project)
    except CommandFailed as error:
        raise compose_errors.translate(error, settings.project) from error
