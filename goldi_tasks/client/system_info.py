"""Query the properties of this machine, its Docker client and the engine once; map users for a rootless engine."""

import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from goldi_tasks import ownership, process
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, NoDocker, NoEngine, NoPermission, NotDocker

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
BUILDER = "goldilocks-builder"
# Runs a command and returns its output, for callers with a shorter timeout than that of process.capture.
Capture = Callable[[Command], str]
_SOCKET = "/var/run/docker.sock"


@dataclass(frozen=True)
class Host:
    """The caller's `uid` and `gid`, and the machine's platform in Docker's form, such as linux/amd64.

    `tty` is whether standard input and output are a terminal: then a program in a container gets one.
    `is_output_tty` is whether standard output is one, of `columns` columns.
    """

    uid: int
    gid: int
    tty: bool
    platform: str
    is_output_tty: bool = False
    columns: int = 80


@dataclass(frozen=True)
class Docker:
    """The engine that answers and its buildx; versions are tuples of numbers.

    `store` is the image store, `containerd` or `classic`: only the first exports local caches with the docker driver.
    `builders` are the names of all builders, `current` is that of buildx's current one, `builder` that of the builder
    that the settings choose ("" for the current one). `driver` belongs to the builder in use. `kernel` is the engine's.
    """

    engine: tuple[int, ...]
    buildx: tuple[int, ...]
    store: str
    driver: str
    builders: tuple[str, ...]
    rootless: bool
    platform: str
    kernel: str = ""
    builder: str = ""
    current: str = "default"

    @property
    def exports_local(self) -> bool:
        """Return whether the builder in use can export `type=local` caches."""
        return self.driver != "docker" or self.store == "containerd"

    @property
    def asks_for_paths(self) -> bool:
        """Return whether bake requires `--allow=fs=...` for paths outside the project (from buildx 0.20)."""
        return self.buildx >= (0, 20)

    @property
    def container(self) -> str:
        """Return the name of the builder that must be started before a build, "" where the engine itself builds."""
        if self.builder or self.driver != "docker":
            return self.builder or self.current
        return BUILDER if not self.exports_local and BUILDER in self.builders else ""


@cache
def host() -> Host:
    """Return the caller and the machine."""
    machine = platform.machine()
    is_output_tty = sys.stdout.isatty()
    # Under sudo a container needs the ids of the user who called it, who owns the project and the caches.
    uid, gid = ownership.owner()
    return Host(
        uid=uid,
        gid=gid,
        tty=is_output_tty and sys.stdin.isatty(),
        platform=f"linux/{_ARCHITECTURES.get(machine, machine)}",
        is_output_tty=is_output_tty,
        columns=shutil.get_terminal_size().columns,
    )


@cache
def docker() -> Docker:
    """Return the engine and its buildx. Raises NoDocker, NoEngine, NotDocker, NoPermission."""
    # Three commands of 0.1 s each, run at the same time.
    with ThreadPoolExecutor() as pool:
        info_future, builders_future = pool.submit(engine_info), pool.submit(builders)
        buildx = plugin_version("buildx")
        info = info_future.result()
    if not buildx:
        raise NoDocker("docker has no buildx plugin", "Install docker-buildx, or run `inv engine.up`")
    return parse_system_info(info, buildx, builders_future.result())


def parse_system_info(
    info: Mapping[str, Any], buildx: tuple[int, ...], builders: Sequence[tuple[str, str, bool]]
) -> Docker:
    """Combine the answers of `docker info`, `docker buildx version` and `docker buildx ls`."""
    return Docker(
        engine=version(str(info.get("ServerVersion", ""))),
        buildx=buildx,
        store="containerd" if "io.containerd.snapshotter" in json.dumps(info.get("DriverStatus")) else "classic",
        driver=next((driver for _, driver, current in builders if current), "docker"),
        builders=tuple(name for name, _, _ in builders),
        rootless=is_rootless(info),
        platform=f"linux/{_ARCHITECTURES.get(info.get('Architecture', ''), 'amd64')}",
        kernel=str(info.get("KernelVersion", "")),
        current=next((name for name, _, current in builders if current), "default"),
    )


@cache
def compose() -> tuple[int, ...]:
    """Return the compose plugin's version, () if it is missing; apart from `docker`, since builds do not need it."""
    return plugin_version("compose")


def client() -> None:
    """Check that the docker client is installed. Raises NoDocker."""
    if not shutil.which("docker"):
        raise NoDocker("docker is not installed", "Install it, or run `inv engine.up`")


def engine_info(capture: Capture | None = None) -> dict[str, Any]:
    """Return the parsed output of `docker info`. Raises NoDocker, NoEngine, NotDocker, NoPermission."""
    client()
    run = capture or process.capture
    try:
        info = json.loads(run(Command(("docker", "info", "--format", "{{json .}}"))))
    except CommandFailed as error:
        info = {"ServerErrors": [error.problem]}
    # Without an engine the client prints its own part of the JSON, and exits with 0 or 1 by version.
    failures = " ".join(info.get("ServerErrors") or [])
    if not failures and (podman := _podman(info, run)):
        remedy = "Unset DOCKER_HOST, or set it to a Docker engine; `inv engine.up` starts one"
        raise NotDocker(f"Podman {podman} answers as the engine, and it has no BuildKit, which all images need", remedy)
    if "permission denied" in failures.lower():
        remedy = "Add yourself to the docker group (`sudo usermod -aG docker $USER`, then log in again), or use sudo"
        raise NoPermission("the Docker engine's socket may not be used by this user", remedy)
    if failures or not info.get("ServerVersion"):
        raise NoEngine("no Docker engine answers", "Start it, or run `inv engine.up`")
    return dict(info)


def _podman(info: Mapping[str, Any], run: Capture) -> str:
    """Return the version of Podman if it answers, "" if it is Docker's engine."""
    if isinstance(client := info.get("version"), dict):
        # Podman's own client is installed as docker.
        return str(client.get("Version"))
    # Docker's engine names a registry here; that saves another command.
    if info.get("IndexServerAddress") != "":
        return ""
    try:
        parts = json.loads(run(Command(("docker", "version", "--format", "{{json .Server.Components}}")))) or []
    except CommandFailed:
        return ""
    return next((str(part["Version"]) for part in parts if part["Name"] == "Podman Engine"), "")


def is_rootless(info: Mapping[str, Any]) -> bool:
    """Return whether the engine of this `docker info` is rootless: root in its containers is the caller."""
    return any("rootless" in option for option in info.get("SecurityOptions") or [])


def forget() -> None:
    """Clear the cached answers, after a change of the engine or its plugins."""
    docker.cache_clear()
    compose.cache_clear()


def version(text: str) -> tuple[int, ...]:
    """Return the first dotted number in `text`: `v0.13.1+ds1` is (0, 13, 1); () if there is none."""
    match = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def plugin_version(plugin: str, capture: Capture | None = None) -> tuple[int, ...]:
    """Return the version of a plugin of the docker client, () if it is missing."""
    try:
        return version((capture or process.capture)(Command(("docker", plugin, "version"))))
    except CommandFailed:
        return ()


def builders(capture: Capture | None = None) -> list[tuple[str, str, bool]]:
    """List name, driver, and whether it is the current one, of each builder; buildx 0.13 has no `--format` for it."""
    rows, current_name = [], process.environment().get("BUILDX_BUILDER")
    for line in (capture or process.capture)(Command(("docker", "buildx", "ls"))).splitlines()[1:]:
        # Builders are not indented, their nodes are; a star, alone or behind the name, marks the current builder.
        if line and not line.startswith((" ", "\\")):
            name, driver = [*line.replace("*", " ").split(), ""][:2]
            rows.append((name, driver, name == current_name if current_name else "*" in line))
    return rows


def map_owner(owner: tuple[int, int]) -> tuple[int, int]:
    """Return the uid and gid that `owner` has in a container."""
    return (0, 0) if owner != (0, 0) and is_engine_rootless() else owner


@cache
def is_engine_rootless() -> bool:
    """Return whether the engine is rootless; False where none answers.

    If the socket belongs to root, `docker info` is not needed, which takes 0.1 s.
    """
    try:
        return not _is_owned_by_root(_socket()) and is_rootless(engine_info())
    except (NoDocker, NoEngine, NoPermission):
        return False


def _is_owned_by_root(socket: Path | None) -> bool:
    try:
        return socket is not None and socket.stat().st_uid == 0
    except OSError:
        return False


def _socket() -> Path | None:
    """Return the socket of the docker client; None if a context or another protocol selects the engine."""
    if host := os.environ.get("DOCKER_HOST"):
        return Path(host.removeprefix("unix://")) if host.startswith("unix://") else None
    if os.environ.get("DOCKER_CONTEXT"):
        return None
    folder = os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
    try:
        context = json.loads(Path(folder, "config.json").read_text(encoding="utf-8")).get("currentContext", "default")
    except (OSError, ValueError, AttributeError):
        context = "default"
    return Path(_SOCKET) if context == "default" else None
