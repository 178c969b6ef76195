"""What this machine and its Docker are, asked once and kept as frozen answers."""

import json
import platform
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

from goldi_tasks import ownership, process
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, NoDocker, NoEngine, NoPermission, NotDocker

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
BUILDER = "goldilocks-builder"
# How a question is asked where run.capture waits too long.
Capture = Callable[[Command], str]


@dataclass(frozen=True)
class Host:
    """The caller: `uid` and `gid`, and the machine's platform as Docker names it.

    `tty` is whether input and output are a terminal, which a program in a container gets one for; `shown` whether the
    output alone is one, of `columns` columns.
    """

    uid: int
    gid: int
    tty: bool
    platform: str
    shown: bool = False
    columns: int = 80


@dataclass(frozen=True)
class Docker:
    """The engine that answers and its buildx; versions are tuples of numbers.

    `store` is `containerd` or `classic`: only the first exports local caches with the docker driver.
    `driver` is the current builder's. `builders` are the names of all builders, `kernel` is what the engine runs on.
    `builder` is the one that the settings choose, "" for the current one; then `driver` is its.
    `current` is the current one's name.
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
        """Whether the current builder can write `type=local` caches."""
        return self.driver != "docker" or self.store == "containerd"

    @property
    def asks_for_paths(self) -> bool:
        """Whether bake wants `--allow=fs=...` for paths outside the project (from buildx 0.20)."""
        return self.buildx >= (0, 20)

    @property
    def container(self) -> str:
        """The name of the builder that has to be started before it builds, "" where the engine itself builds."""
        if self.builder or self.driver != "docker":
            return self.builder or self.current
        return BUILDER if not self.exports_local and BUILDER in self.builders else ""


@cache
def host() -> Host:
    """The caller and the machine."""
    machine = platform.machine()
    shown = sys.stdout.isatty()
    # A container works in the project and the caches of who called sudo, and root without capabilities cannot.
    uid, gid = ownership.owner()
    return Host(
        uid=uid,
        gid=gid,
        tty=shown and sys.stdin.isatty(),
        platform=f"linux/{_ARCHITECTURES.get(machine, machine)}",
        shown=shown,
        columns=shutil.get_terminal_size().columns,
    )


@cache
def docker() -> Docker:
    """The engine and its buildx. Raises NoDocker, NoEngine, NoPermission."""
    # Three questions of 0.1 s each, asked at once.
    with ThreadPoolExecutor() as pool:
        asked, listed = pool.submit(engine_info), pool.submit(builders)
        buildx = plugin_version("buildx")
        info = asked.result()
    if not buildx:
        raise NoDocker("docker has no buildx plugin", "Install docker-buildx, or run `inv engine.up`")
    return put_together(info, buildx, listed.result())


def put_together(info: Mapping[str, Any], buildx: tuple[int, ...], builders: Sequence[tuple[str, str, bool]]) -> Docker:
    """What the answers of `docker info`, `docker buildx version` and `docker buildx ls` mean."""
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
    """The compose plugin's version, () if it is missing; builds do not wait for this."""
    return plugin_version("compose")


def client() -> None:
    """Raises NoDocker where there is no docker client."""
    if not shutil.which("docker"):
        raise NoDocker("docker is not installed", "Install it, or run `inv engine.up`")


def engine_info(capture: Capture | None = None) -> dict[str, Any]:
    """`docker info`, parsed. Raises NoDocker, NoEngine, NotDocker, NoPermission."""
    client()
    ask = capture or process.capture
    try:
        info = json.loads(ask(Command(("docker", "info", "--format", "{{json .}}"))))
    except CommandFailed as error:
        info = {"ServerErrors": [error.problem]}
    # The client prints what it knows of itself and exits with 0 or 1, by version, when no engine answers.
    failures = " ".join(info.get("ServerErrors") or [])
    if not failures and (podman := _podman(info, ask)):
        remedy = "Unset DOCKER_HOST, or point it to an engine of Docker's; `inv engine.up` starts one"
        raise NotDocker(f"Podman {podman} answers as the engine, and it has no BuildKit, which all images need", remedy)
    if "permission denied" in failures.lower():
        remedy = "Add yourself to the docker group (`sudo usermod -aG docker $USER`, then log in again), or use sudo"
        raise NoPermission("the Docker engine's socket may not be used by this user", remedy)
    if failures or not info.get("ServerVersion"):
        raise NoEngine("no Docker engine answers", "Start it, or run `inv engine.up`")
    return dict(info)


def _podman(info: Mapping[str, Any], ask: Capture) -> str:
    """The version of Podman where that answers, "" where Docker's engine does."""
    if isinstance(client := info.get("version"), dict):
        # Podman's own client under docker's name.
        return str(client.get("Version"))
    # Docker's names a registry here, and saves another question.
    if info.get("IndexServerAddress") != "":
        return ""
    try:
        parts = json.loads(ask(Command(("docker", "version", "--format", "{{json .Server.Components}}")))) or []
    except CommandFailed:
        return ""
    return next((str(part["Version"]) for part in parts if part["Name"] == "Podman Engine"), "")


def is_rootless(info: Mapping[str, Any]) -> bool:
    """Whether the engine that gave this `docker info` is the caller's own: root in its containers is the caller."""
    return any("rootless" in option for option in info.get("SecurityOptions") or [])


def forget() -> None:
    """Ask again next time: the machine was changed by us."""
    docker.cache_clear()
    compose.cache_clear()


def version(text: str) -> tuple[int, ...]:
    """The first dotted number in `text`: `v0.13.1+ds1` is (0, 13, 1); () if there is none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def plugin_version(plugin: str, capture: Capture | None = None) -> tuple[int, ...]:
    """The version of a plugin of the docker client, () if it is missing."""
    try:
        return version((capture or process.capture)(Command(("docker", plugin, "version"))))
    except CommandFailed:
        return ()


def builders(capture: Capture | None = None) -> list[tuple[str, str, bool]]:
    """Name, driver, and whether it is the current one, for each builder; `--format` is not in buildx 0.13."""
    rows, chosen = [], process.environment().get("BUILDX_BUILDER")
    for line in (capture or process.capture)(Command(("docker", "buildx", "ls"))).splitlines()[1:]:
        # Builders stand at the margin, their nodes below them; a star, alone or at the name, marks the current one.
        if line and not line.startswith((" ", "\\")):
            name, driver = [*line.replace("*", " ").split(), ""][:2]
            rows.append((name, driver, name == chosen if chosen else "*" in line))
    return rows
