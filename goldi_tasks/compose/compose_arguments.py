"""Build the `docker compose` command line and environment of a project; name the labels of its containers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks.client.run_arguments import terminal
from goldi_tasks.client.system_info import Host
from goldi_tasks.command import Command
from goldi_tasks.settings import Settings

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
FOLDER_LABEL = f"{PROJECT_LABEL}.working_dir"


def machine(settings: Settings, owner: tuple[int, int], network: Path) -> dict[str, str]:
    """Return the variables with which the compose file learns about this machine: paths, and the owner of files.

    `owner` is a uid and a gid, as containers know them.
    `network` is a file for scripts/online.sh. The root of a cache is "" where it is the common one.
    """
    return {
        "GOLDI_CA_BUNDLE": settings.ca_bundle,
        "GOLDI_NETWORK": str(network),
        # setup-cache.sh, which knows only these variables, writes them last and in this order.
        **settings.roots.variables,
        "GOLDI_PROJECT": str(settings.project),
        "GOLDI_PROJECT_KEY": settings.key,
        "GOLDI_UID": str(owner[0]),
        "GOLDI_GID": str(owner[1]),
    }


@dataclass(frozen=True)
class Compose:
    """A way to call `docker compose` for a project: its `files`, () for those that compose finds, and variables."""

    env: Mapping[str, str]
    files: tuple[str, ...] = ()

    def command(self, profiles: Sequence[str], *argv: str, secrets: Mapping[str, str] | None = None) -> Command:
        """Return `docker compose ARGV` with some profiles; to be run in the project's directory."""
        files = (part for file in self.files for part in ("--file", file))
        flags = (part for profile in profiles for part in ("--profile", profile))
        return Command(("docker", "compose", *files, *flags, *argv), self.env, secrets or {})


def exec_in(host: Host, container: str, argv: Sequence[str]) -> Command:
    """Return `docker exec` of `argv` in a container.

    `docker compose exec` takes longer, with ports ten times as long (docker/compose#12552).
    """
    return Command(("docker", "exec", *terminal(host), container, *argv))
