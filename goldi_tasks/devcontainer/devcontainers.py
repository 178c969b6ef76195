"""List the project's dev containers, whether we, the CLI or VS Code created them."""

from goldi_tasks import process
from goldi_tasks.client import system_info
from goldi_tasks.devcontainer import devcontainer_arguments
from goldi_tasks.devcontainer.devcontainer_arguments import DevContainer
from goldi_tasks.errors import CommandFailed, NoDevcontainer
from goldi_tasks.settings import Settings


def containers(settings: Settings) -> list[DevContainer]:
    """Return all dev containers of the project, running ones first. Raises NoEngine, NoPermission."""
    try:
        ids = process.capture(devcontainer_arguments.listed(settings.project)).split()
        return inspected(ids) if ids else []
    except CommandFailed:
        # Raises the precise error where no engine answers.
        system_info.engine_info()
        raise


def inspected(ids: list[str]) -> list[DevContainer]:
    """Return the dev containers with these ids. Raises CommandFailed."""
    return devcontainer_arguments.parse_containers(process.capture(devcontainer_arguments.inspected(ids)))


def running(settings: Settings) -> DevContainer:
    """Return the running dev container. Raises NoDevcontainer, NoEngine, NoPermission."""
    project_containers = containers(settings)
    if not project_containers or not project_containers[0].running:
        raise NoDevcontainer(f"no dev container of {settings.project} is running", "Run `inv devcontainer.up`")
    return project_containers[0]
