"""List the containers of compose stacks, read their logs, and find the one that runs for a service."""

import os
import re
from dataclasses import dataclass

from goldi_tasks import process
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.compose.compose_arguments import FOLDER_LABEL, PROJECT_LABEL, SERVICE_LABEL
from goldi_tasks.errors import CommandFailed, StackRefused, did_you_mean
from goldi_tasks.settings import Settings

FIELDS = (
    "{{.ID}}",
    "{{.Names}}",
    "{{.State}}",
    "{{.Status}}",
    "{{.Image}}",
    "{{.Ports}}",
    *(
        f'{{{{.Label "{label}"}}}}'
        for label in (PROJECT_LABEL, SERVICE_LABEL, FOLDER_LABEL, f"{PROJECT_LABEL.rpartition('.')[0]}.oneoff")
    ),
)


@dataclass(frozen=True)
class Container:
    """A container of a service. `health` is "" without a health check; `exit_code` is None until it has ended once."""

    id: str
    name: str
    state: str
    status: str
    image: str
    ports: str
    project: str
    service: str
    folder: str
    oneoff: str = "False"

    @property
    def health(self) -> str:
        """Return `healthy`, `unhealthy`, `starting`, or "" without a health check."""
        match = re.search(r"\((?:health: )?(healthy|unhealthy|starting)\)", self.status)
        return match[1] if match else ""

    @property
    def exit_code(self) -> int | None:
        """Return the exit code of the last run that ended."""
        match = re.match(r"(?:Exited|Restarting) \((\d+)\)", self.status)
        return int(match[1]) if match else None

    @property
    def is_up(self) -> bool:
        """Return whether it runs, and is healthy if it has a health check."""
        return self.state == "running" and self.health in ("", "healthy")


def list_containers(service: str = "", project: str = "") -> list[Container]:
    """Return the containers of a service or of a project's stack, running or not. Raises NoEngine, NoPermission."""
    filters = [f"{label}={value}" for label, value in ((PROJECT_LABEL, project), (SERVICE_LABEL, service)) if value]
    flags = (part for label_filter in filters or [PROJECT_LABEL] for part in ("--filter", f"label={label_filter}"))
    argv = ("docker", "ps", "--all", "--no-trunc", *flags, "--format", "\t".join(FIELDS))
    try:
        output = process.capture(Command(argv))
    except CommandFailed:
        # Raises the precise error where no engine answers.
        system_info.engine_info()
        raise
    rows = (line.split("\t") for line in output.splitlines())
    return [Container(*row) for row in rows if len(row) == len(FIELDS) and row[-1] != "True"]


def last_lines(container: Container, number: int = 20, since: str = "") -> list[str]:
    """Return the last `number` lines of a container's log, or of its log `since` a moment; [] if docker fails."""
    flags = ("--since", since) if since else ()
    command = Command(("docker", "logs", *flags, "--tail", str(number), container.id))
    try:
        with process.stream(command, whole=True) as chunks:
            return "".join(chunks).splitlines()
    except CommandFailed:
        return []


def find_running(settings: Settings, service: str) -> Container:
    """Return the running container of a service. Raises UnknownName, StackRefused, NoEngine.

    The compose file is read only if no container matches: reading it takes as long as the command that is to be run.
    """
    matching = [
        container
        for container in list_containers(service=service)
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
    names = [container.service for container in list_containers(project=stack.name) if container.state == "running"]
    remedy = did_you_mean(service, names).capitalize() if names else "Start the stack with `inv compose.up`"
    raise StackRefused(f"{service} is not running", remedy)


def _belongs_to(settings: Settings, container: Container) -> bool:
    """Return whether the container belongs to this checkout."""
    folders = (settings.project, settings.env_file.parent)
    return container.folder in map(str, folders)
