"""The containers of stacks, as the engine lists them."""

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
    """A container of a service. `health` is "" where nothing checks it, `code` its exit code once it has ended."""

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
        """`healthy`, `unhealthy`, `starting`, or "" where nothing checks it."""
        found = re.search(r"\((?:health: )?(healthy|unhealthy|starting)\)", self.status)
        return found[1] if found else ""

    @property
    def code(self) -> int | None:
        """The exit code of the last run that ended."""
        found = re.match(r"(?:Exited|Restarting) \((\d+)\)", self.status)
        return int(found[1]) if found else None

    @property
    def up(self) -> bool:
        """Whether it runs, and is healthy if something checks that."""
        return self.state == "running" and self.health in ("", "healthy")


def listed(service: str = "", project: str = "") -> list[Container]:
    """The containers of a service or of a project's stack, running or not. Raises NoEngine, NoPermission."""
    filters = [f"{label}={value}" for label, value in ((PROJECT_LABEL, project), (SERVICE_LABEL, service)) if value]
    flags = (part for one in filters or [PROJECT_LABEL] for part in ("--filter", f"label={one}"))
    argv = ("docker", "ps", "--all", "--no-trunc", *flags, "--format", "\t".join(FIELDS))
    try:
        said = process.capture(Command(argv))
    except CommandFailed:
        # Raises what there is to say where none answers.
        system_info.engine_info()
        raise
    rows = (line.split("\t") for line in said.splitlines())
    return [Container(*row) for row in rows if len(row) == len(FIELDS) and row[-1] != "True"]


def last_lines(container: Container, number: int = 20, since: str = "") -> list[str]:
    """The end of what a container wrote, or of that `since` a moment."""
    flags = ("--since", since) if since else ()
    command = Command(("docker", "logs", *flags, "--tail", str(number), container.id))
    try:
        with process.stream(command, whole=True) as texts:
            return "".join(texts).splitlines()
    except CommandFailed:
        return []
