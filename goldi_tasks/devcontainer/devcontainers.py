"""The project's dev containers, however they were made: by us, by the CLI, by VS Code."""

from goldi_tasks import process
from goldi_tasks.client import system_info
from goldi_tasks.devcontainer import devcontainer_arguments
from goldi_tasks.devcontainer.devcontainer_arguments import Found
from goldi_tasks.errors import CommandFailed, NoDevcontainer
from goldi_tasks.settings import Settings


def containers(settings: Settings) -> list[Found]:
    """All of them, those that run first. Raises NoEngine, NoPermission."""
    try:
        ids = process.capture(devcontainer_arguments.listed(settings.project)).split()
        return inspected(ids) if ids else []
    except CommandFailed:
        # Raises what there is to say where none answers.
        system_info.engine_info()
        raise


def inspected(ids: list[str]) -> list[Found]:
    """Those with these ids. Raises CommandFailed."""
    return devcontainer_arguments.found(process.capture(devcontainer_arguments.inspected(ids)))


def running(settings: Settings) -> Found:
    """The one that runs. Raises NoDevcontainer, NoEngine, NoPermission."""
    there = containers(settings)
    if not there or not there[0].running:
        raise NoDevcontainer(f"no dev container of {settings.project} is running", "Run `inv devcontainer.up`")
    return there[0]
