"""Build the commands of the dev container CLI, and those of docker for the container that it created."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldi_tasks.checks import check_arguments
from goldi_tasks.client import run_arguments
from goldi_tasks.client.system_info import Host
from goldi_tasks.command import Command
from goldi_tasks.errors import SettingsError
from goldi_tasks.settings import Settings

CONFIG = Path(".devcontainer/devcontainer.json")
PACKAGE = "@devcontainers/cli"
VERSION = "0.89.0"
# The label by which the CLI and VS Code find a project's container.
LABEL = "devcontainer.local_folder"
METADATA = "devcontainer.metadata"
# Where the caller's ssh agent is mounted.
AGENT = "/run/goldi/ssh-agent"
# The variable that tells initialize.sh which part to run.
INITIALIZE = "GOLDI_INITIALIZE"
# The variable that marks the processes of one `exec`: signals to docker's client do not reach them.
MARK = "GOLDI_EXEC"

_START_SCRIPT = (
    'command -v -- "$1" >/dev/null || { echo "goldi: the dev container has no program \'$1\'. Correct the name." >&2; '
    # The script `online` sets the host's proxies, in images that have it.
    'exit 127; }; ! command -v online >/dev/null || exec online "$@"; exec "$@"'
)
_KILL_SCRIPT = (
    'for file in /proc/[0-9]*/environ; do if tr "\\0" "\\n" <"$file" 2>/dev/null | grep -qx "$1"; then '
    'pid=${file#/proc/}; kill -s "$2" "${pid%/environ}" 2>/dev/null; fi; done; true'
)
_VARIABLE = re.compile(r"\$\{(\w+)(?::([^:}]+))?(?::([^}]*))?\}")
_MOUNT_VALUE = re.compile(r"[^,]+")


@dataclass(frozen=True)
class DevContainer:
    """A dev container of the project: id, whether it is `running`, its start time, project folder and image id.

    `mounts` are sources by target. `metadata` are the configurations that it was made from, the later ones over the
    earlier ones; `env` is its own environment.
    """

    id: str
    running: bool
    started: str
    folder: str
    image: str
    mounts: Mapping[str, str]
    metadata: tuple[Mapping[str, Any], ...]
    env: Mapping[str, str]

    @property
    def user(self) -> str:
        """Return the user who works in it; "" is the container's own user."""
        return next((str(part["remoteUser"]) for part in reversed(self.metadata) if part.get("remoteUser")), "")


def parse_containers(inspected: str) -> list[DevContainer]:
    """Return the containers that `docker inspect` printed, running ones first."""
    containers = [_parse_container(row) for row in json.loads(inspected or "[]")]
    return sorted(containers, key=lambda container: not container.running)


def _parse_container(row: Mapping[str, Any]) -> DevContainer:
    try:
        metadata = json.loads(row["Config"]["Labels"].get(METADATA) or "[]")
    except ValueError:
        metadata = []
    return DevContainer(
        id=row["Id"],
        running=row["State"]["Status"] == "running",
        started=row["State"].get("StartedAt", ""),
        folder=row["Config"]["Labels"].get(LABEL, ""),
        image=row["Image"],
        mounts={mount["Destination"]: mount.get("Source", "") for mount in row["Mounts"]},
        metadata=tuple(metadata if isinstance(metadata, list) else [metadata]),
        env=dict(line.partition("=")[::2] for line in row["Config"]["Env"] or ()),
    )


def listed(project: Path) -> Command:
    """Return the command that prints the id of every dev container of `project`, one a line."""
    return Command(("docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={LABEL}={project}"))


def inspected(ids: list[str]) -> Command:
    """Return the command that prints the JSON for `found`."""
    return Command(("docker", "inspect", "--type", "container", *ids))


def up(cli: str, settings: Settings, agent: str, data: Path, recreate: bool) -> Command:
    """Return `devcontainer up`, with progress as JSON, and with the ssh `agent` if it is not "".

    With `recreate` an existing container is replaced. The CLI keeps its own files in `data`. Raises SettingsError for a
    directory that cannot be written as a mount.
    """
    if not _MOUNT_VALUE.fullmatch(str(settings.project)):
        problem = f"a dev container cannot be in {settings.project}, whose name has a comma"
        raise SettingsError(problem, "Rename the directory")
    # The syntax of --mount has no quotes.
    agent_mount = ("--mount", f"type=bind,source={agent},target={AGENT}") if _MOUNT_VALUE.fullmatch(agent) else ()
    return Command(
        (
            *(cli, "up", "--workspace-folder", str(settings.project), "--log-format", "json"),
            *("--user-data-folder", str(data)),
            *agent_mount,
            *(("--remote-env", f"SSH_AUTH_SOCK={AGENT}") if agent_mount else ()),
            *(("--remove-existing-container",) if recreate else ()),
        ),
        variables(settings) | {INITIALIZE: "done"},
    )


def variables(settings: Settings) -> dict[str, str]:
    """Return the settings that devcontainer.json and initialize.sh read from the environment."""
    return {
        "GOLDI_IMAGE": settings.image,
        **settings.roots.variables,
        "GOLDI_APP": settings.app,
        "GOLDI_CA_BUNDLE": settings.ca_bundle,
    }


def install(folder: Path) -> Command:
    """Return the command that installs the CLI into `folder` with npm and the caller's configuration."""
    return Command(
        ("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), f"{PACKAGE}@{VERSION}")
    )


def exec_in_container(
    container: DevContainer, host: Host, cwd: Path, environ: Mapping[str, str], mark: str, argv: tuple[str, ...]
) -> Command:
    """Return `docker exec` of `argv` in the container, in `cwd`, as its user, with the environment that tools get.

    `mark` identifies the processes for `end`. Variables are passed by name: the client's environment has their values.
    """
    env = {**check_arguments.environment(environ, host), **remote_env(container, environ), MARK: mark}
    if AGENT in container.mounts:
        env["SSH_AUTH_SOCK"] = AGENT
    env_flags = (part for name in sorted(env) for part in ("--env", name))
    user = ("--user", container.user) if container.user else ()
    docker_exec = ("docker", "exec", *run_arguments.terminal(host), *user, "--workdir", str(cwd), *env_flags)
    return Command((*docker_exec, container.id, "sh", "-c", _START_SCRIPT, "exec", *argv), env)


def signal_processes(container: DevContainer, mark: str, signal: str) -> Command:
    """Return the command that sends `signal` to the processes that `inside` started with `mark`, and their children."""
    user = ("--user", container.user) if container.user else ()
    return Command(("docker", "exec", *user, container.id, "sh", "-c", _KILL_SCRIPT, "end", f"{MARK}={mark}", signal))


def start(container: DevContainer) -> Command:
    """Return the command that starts a stopped container."""
    return Command(("docker", "start", container.id))


def remove(ids: list[str]) -> Command:
    """Return the command that removes containers, running or not, and their anonymous volumes."""
    return Command(("docker", "rm", "--force", "--volumes", *ids))


def remote_env(container: DevContainer, environ: Mapping[str, str]) -> dict[str, str]:
    """Return `remoteEnv` of devcontainer.json with variables substituted; a value of null is left out."""
    values: dict[str, Any] = {}
    for part in container.metadata:
        values |= part.get("remoteEnv") or {}
    return {name: _substitute(str(value), container, environ) for name, value in values.items() if value is not None}


def _substitute(text: str, container: DevContainer, environ: Mapping[str, str]) -> str:
    def replacement(match: "re.Match[str]") -> str:
        kind, name, default = match[1], match[2] or "", match[3] or ""
        folder = container.folder
        folders = {"localWorkspaceFolder": folder, "containerWorkspaceFolder": folder}
        for basename in ("localWorkspaceFolderBasename", "containerWorkspaceFolderBasename"):
            folders[basename] = Path(folder).name
        if kind in {"localEnv", "env"}:
            return environ.get(name, default)
        return container.env.get(name, default) if kind == "containerEnv" else folders.get(kind, match[0])

    return _VARIABLE.sub(replacement, text)


def run_owner_program(image: str, name: str, folder: Path, argv: tuple[str, ...]) -> Command:
    """Return `docker run` of a Python program from standard input, as root, that may change owners in `folder`.

    `folder` is mounted at /git, the first of the program's arguments; nothing else of the machine is mounted.
    """
    return Command(
        (
            *("docker", "run", "--rm", "--interactive", "--name", name, "--pull", "never"),
            *("--user", "0:0", "--entrypoint", "python3", "--network", "none", "--read-only", "--log-driver", "none"),
            *("--cap-drop", "ALL", "--cap-add", "CHOWN", "--cap-add", "DAC_OVERRIDE", "--cap-add", "FOWNER"),
            *("--security-opt", "no-new-privileges"),
            *run_arguments.bind(folder, "/git"),
            *(image, "-I", "-", "/git", *argv),
        )
    )
