"""The dev container: how the dev container CLI is called, and how a command is run in the container that it made."""

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
# What the CLI and VS Code find a project's container by.
LABEL = "devcontainer.local_folder"
METADATA = "devcontainer.metadata"
# Where the caller's ssh agent is mounted.
AGENT = "/run/goldi/ssh-agent"
# Tells initialize.sh what is left to do.
INITIALIZE = "GOLDI_INITIALIZE"
# What tells the processes of one `exec` from others, since no signal to docker's client reaches them.
MARK = "GOLDI_EXEC"

_START = (
    'command -v -- "$1" >/dev/null || { echo "goldi: the dev container has no program \'$1\'. Correct the name." >&2; '
    # What the host's network wants, where the image knows how to tell it.
    'exit 127; }; ! command -v online >/dev/null || exec online "$@"; exec "$@"'
)
_END = (
    'for file in /proc/[0-9]*/environ; do if tr "\\0" "\\n" <"$file" 2>/dev/null | grep -qx "$1"; then '
    'pid=${file#/proc/}; kill -s "$2" "${pid%/environ}" 2>/dev/null; fi; done; true'
)
_VARIABLE = re.compile(r"\$\{(\w+)(?::([^:}]+))?(?::([^}]*))?\}")
_MOUNT = re.compile(r"[^,]+")


@dataclass(frozen=True)
class Found:
    """A dev container of the project: its id, whether it runs and since when, the project, its image's id, its mounts.

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
        """Who works in it; "" is the container's own user."""
        return next((str(part["remoteUser"]) for part in reversed(self.metadata) if part.get("remoteUser")), "")


def found(inspected: str) -> list[Found]:
    """The containers that `docker inspect` told of, those that run first."""
    rows = [_found(row) for row in json.loads(inspected or "[]")]
    return sorted(rows, key=lambda row: not row.running)


def _found(row: Mapping[str, Any]) -> Found:
    try:
        metadata = json.loads(row["Config"]["Labels"].get(METADATA) or "[]")
    except ValueError:
        metadata = []
    return Found(
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
    """Ids of every dev container of `project`, one a line."""
    return Command(("docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={LABEL}={project}"))


def inspected(ids: list[str]) -> Command:
    """All that docker knows of containers, for `found`."""
    return Command(("docker", "inspect", "--type", "container", *ids))


def up(cli: str, settings: Settings, agent: str, data: Path, anew: bool) -> Command:
    """`devcontainer up`, its progress as JSON; with the ssh `agent` if it is not "". If `anew`, the old one goes.

    What the CLI keeps goes to `data`. Raises SettingsError for a directory that no mount can name.
    """
    if not _MOUNT.fullmatch(str(settings.project)):
        problem = f"a dev container cannot be in {settings.project}, whose name has a comma"
        raise SettingsError(problem, "Rename the directory")
    # Its mounts are text that cannot be quoted.
    mounted = ("--mount", f"type=bind,source={agent},target={AGENT}") if _MOUNT.fullmatch(agent) else ()
    return Command(
        (
            *(cli, "up", "--workspace-folder", str(settings.project), "--log-format", "json"),
            *("--user-data-folder", str(data)),
            *mounted,
            *(("--remote-env", f"SSH_AUTH_SOCK={AGENT}") if mounted else ()),
            *(("--remove-existing-container",) if anew else ()),
        ),
        variables(settings) | {INITIALIZE: "done"},
    )


def variables(settings: Settings) -> dict[str, str]:
    """What devcontainer.json and initialize.sh are told of the settings."""
    return {
        "GOLDI_IMAGE": settings.image,
        **settings.roots.variables,
        "GOLDI_APP": settings.app,
        "GOLDI_CA_BUNDLE": settings.ca_bundle,
    }


def install(folder: Path) -> Command:
    """Put the CLI into `folder`, by npm with the caller's own configuration."""
    return Command(
        ("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), f"{PACKAGE}@{VERSION}")
    )


def inside(into: Found, host: Host, cwd: Path, environ: Mapping[str, str], mark: str, argv: tuple[str, ...]) -> Command:
    """Run `argv` in the container, in `cwd`, as its user, with what of the environment a tool is told.

    `mark` is for `end`. Variables are named only: values are the client's own environment.
    """
    told = {**check_arguments.environment(environ, host), **remote_env(into, environ), MARK: mark}
    if AGENT in into.mounts:
        told["SSH_AUTH_SOCK"] = AGENT
    named = (part for name in sorted(told) for part in ("--env", name))
    user = ("--user", into.user) if into.user else ()
    head = ("docker", "exec", *run_arguments.terminal(host), *user, "--workdir", str(cwd), *named)
    return Command((*head, into.id, "sh", "-c", _START, "exec", *argv), told)


def end(into: Found, mark: str, signal: str) -> Command:
    """Send `signal` to what `inside` started with `mark`, and to what that has started."""
    user = ("--user", into.user) if into.user else ()
    return Command(("docker", "exec", *user, into.id, "sh", "-c", _END, "end", f"{MARK}={mark}", signal))


def start(there: Found) -> Command:
    """Start a container that is stopped."""
    return Command(("docker", "start", there.id))


def remove(ids: list[str]) -> Command:
    """Remove containers, running or not, with the volumes that have no name."""
    return Command(("docker", "rm", "--force", "--volumes", *ids))


def remote_env(into: Found, environ: Mapping[str, str]) -> dict[str, str]:
    """`remoteEnv` of devcontainer.json, its variables put in; what is null there is left out."""
    said: dict[str, Any] = {}
    for part in into.metadata:
        said |= part.get("remoteEnv") or {}
    return {name: _filled(str(value), into, environ) for name, value in said.items() if value is not None}


def _filled(text: str, into: Found, environ: Mapping[str, str]) -> str:
    def value(match: "re.Match[str]") -> str:
        kind, name, default = match[1], match[2] or "", match[3] or ""
        folder = into.folder
        known = {"localWorkspaceFolder": folder, "containerWorkspaceFolder": folder}
        for basename in ("localWorkspaceFolderBasename", "containerWorkspaceFolderBasename"):
            known[basename] = Path(folder).name
        if kind in {"localEnv", "env"}:
            return environ.get(name, default)
        return into.env.get(name, default) if kind == "containerEnv" else known.get(kind, match[0])

    return _VARIABLE.sub(value, text)


def owner(image: str, name: str, folder: Path, argv: tuple[str, ...]) -> Command:
    """`docker run` of a Python program from standard input, as root, that may change owners in `folder`, at /git.

    Its `argv` begins with /git. It sees nothing else of the machine.
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
