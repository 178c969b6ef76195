"""The container of a service that runs, found without asking compose where that can be."""

import os

from goldi_tasks.compose import containers
from goldi_tasks.compose.containers import Container
from goldi_tasks.errors import StackRefused, did_you_mean
from goldi_tasks.settings import Settings


def running(settings: Settings, service: str) -> Container:
    """The container of a service that runs. Raises UnknownName, StackRefused, NoEngine.

    The compose file is read only where there is none: it takes as long as the command that is to be run.
    """
    ours = [one for one in containers.listed(service=service) if one.state == "running" and _of(settings, one)]
    name = os.environ.get("COMPOSE_PROJECT_NAME", "")
    if len({one.project for one in ours}) == 1 and not name:
        return ours[0]
    from goldi_tasks.compose import compose_project, stack_model  # 30 ms, where the container is not found at once

    found = compose_project.load(settings, compose_project.open_project(settings))
    stack_model.known(found, [service])
    for one in ours:
        if one.project == found.name:
            return one
    there = [one.service for one in containers.listed(project=found.name) if one.state == "running"]
    remedy = did_you_mean(service, there).capitalize() if there else "Start the stack with `inv compose.up`"
    raise StackRefused(f"{service} is not running", remedy)


def _of(settings: Settings, container: Container) -> bool:
    folders = (settings.project, settings.env_file.parent)
    return container.folder in map(str, folders)
