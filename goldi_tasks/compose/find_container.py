"""Find the running container of a service, without a call of compose where possible."""

import os

from goldi_tasks.compose import containers
from goldi_tasks.compose.containers import Container
from goldi_tasks.errors import StackRefused, did_you_mean
from goldi_tasks.settings import Settings


def find_running(settings: Settings, service: str) -> Container:
    """Return the running container of a service. Raises UnknownName, StackRefused, NoEngine.

    The compose file is read only if no container matches: reading it takes as long as the command that is to be run.
    """
    matching = [
        container
        for container in containers.list_containers(service=service)
        if container.state == "running" and _belongs_to(settings, container)
    ]
    project_name = os.environ.get("COMPOSE_PROJECT_NAME", "")
    if len({container.project for container in matching}) == 1 and not project_name:
        return matching[0]
    from goldi_tasks.compose import compose_project, stack_model  # 30 ms, rarely needed

    stack = compose_project.load(settings, compose_project.open_project(settings))
    stack_model.expect_services(stack, [service])
    for container in matching:
        if container.project == stack.name:
            return container
    names = [
        container.service
        for container in containers.list_containers(project=stack.name)
        if container.state == "running"
    ]
    remedy = did_you_mean(service, names).capitalize() if names else "Start the stack with `inv compose.up`"
    raise StackRefused(f"{service} is not running", remedy)


def _belongs_to(settings: Settings, container: Container) -> bool:
    """Return whether the container belongs to this checkout."""
    folders = (settings.project, settings.env_file.parent)
    return container.folder in map(str, folders)
