"""List the containers of compose stacks and read their logs."""

import re
from dataclasses import dataclass

from goldi_tasks import process
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.compose.compose_arguments import FOLDER_LABEL, PROJECT_LABEL, SERVICE_LABEL
from goldi_tasks.errors import CommandFailed

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
