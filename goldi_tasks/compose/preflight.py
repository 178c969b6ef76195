"""What would fail halfway is found before anything is touched: ports, secrets, volumes, another checkout's stack."""

import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from goldi_tasks import ownership, process
from goldi_tasks.client import rootless, run_arguments
from goldi_tasks.command import Command
from goldi_tasks.compose import port_variables, ports, stack_owner
from goldi_tasks.compose.compose_arguments import PROJECT_LABEL, Compose
from goldi_tasks.compose.containers import Container
from goldi_tasks.compose.stack_model import Port, Service, Stack, Volume
from goldi_tasks.errors import CommandFailed, StackRefused
from goldi_tasks.settings import Settings

# What the engine says of a volume.
Inspected = Mapping[str, Any]


def refuse(
    settings: Settings,
    compose: Compose,
    found: Stack,
    services: Sequence[Service],
    before: Sequence[Container],
    there: Sequence[Inspected],
) -> None:
    """Raises StackRefused where the stack cannot start; `before` and `there` are on the engine."""
    stack_owner.expect_ours(settings, found.name, before)
    # Ours, which is written when nothing stands against the start.
    secrets = {name: file for name, file in found.secrets.items() if file != compose.env.get("GOLDI_NETWORK")}
    for service in services:
        for name in service.secrets:
            if name in secrets:
                _secret(name, Path(secrets[name]), service)
    used = {name for service in services for name, _ in service.mounts}
    mounted = [found.volumes[name] for name in sorted(used) if name in found.volumes]
    _options(mounted, there)
    data = {volume.name for volume in mounted if not volume.device and not volume.external}
    stack_owner.expect_not_theirs(settings, [one for one in there if one["Name"] in data])
    _devices(settings, found, services)
    _ports(settings, compose, services, before)


def volumes(project: str = "") -> list[Inspected]:
    """The volumes of a stack, or of all stacks."""
    label = f"label={PROJECT_LABEL}={project}" if project else f"label={PROJECT_LABEL}"
    names = process.capture(Command(("docker", "volume", "ls", "--quiet", "--filter", label))).split()
    try:
        return list(json.loads(process.capture(Command(("docker", "volume", "inspect", *names))))) if names else []
    except CommandFailed:
        # One went meanwhile.
        return []


def _secret(name: str, file: Path, service: Service) -> None:
    """Compose mounts the file as it is: who reads it in the container is somebody else than its owner."""
    if not file.exists():
        make = f"`mkdir -p -m 700 {file.parent} && openssl rand -hex 24 >{file}`"
        raise StackRefused(f"the secret '{name}' of {service.name} is missing: no file {file}", f"Make it: {make}")
    found = file.stat()
    owner, _ = rootless.numbers((found.st_uid, found.st_gid))
    if not found.st_mode & stat.S_IROTH and str(owner) != service.user:
        problem = f"{service.name} could not read its secret {file}, which is for its owner alone"
        raise StackRefused(
            problem, f"Run `chmod 700 {file.parent} && chmod 644 {file}`: the directory keeps others out"
        )


def _options(volumes: Sequence[Volume], there: Sequence[Inspected]) -> None:
    """A volume that is there keeps the options that it was made with, whatever the file says now."""
    made = {one["Name"]: one.get("Options") or {} for one in there}
    for volume in volumes:
        if volume.external or volume.name not in made or dict(volume.options) == made[volume.name]:
            continue
        was, now = made[volume.name].get("device", "kept by the engine"), volume.device or "kept by the engine"
        remedy = f"Back up what is in it, then `docker volume rm {volume.name}`"
        if made[volume.name].get("o") == "bind":
            remedy = "Run `inv compose.down`, which loses nothing of it, and this again"
        raise StackRefused(f"the volume {volume.name} is {was}, and the compose file says {now}", remedy)


def _devices(settings: Settings, found: Stack, services: Sequence[Service]) -> None:
    """A directory that the compose file names is there; we make the caches', and in the place of a cache it is ours."""
    if process.is_dry() or _far():
        return
    mounts = run_arguments.mounts(settings)
    # What is missing of these is made when nothing stands against the start.
    caches, made = {target for _, _, target in mounts}, {directory for _, directory, _ in mounts}
    for name, target in (mount for service in services for mount in service.mounts):
        volume = found.volumes.get(name)
        if volume is None or not volume.device or volume.external:
            continue
        device, instead = Path(volume.device), "another directory in the compose file"
        if not device.is_dir() and (device.exists() or device not in made):
            problem = f"the volume {volume.name} is {device}, which is not a directory"
            raise StackRefused(problem, f"Make it, with `mkdir -m 700 '{device}'`, or name {instead}")
        if target in caches and (wrong := ownership.trouble(device, instead)):
            raise StackRefused(f"the volume {volume.name} is {device}, and {wrong[0]}", wrong[1])


def _far() -> bool:
    """Whether the engine's machine is another one."""
    return not os.environ.get("DOCKER_HOST", "unix://").startswith("unix://")


def _ports(settings: Settings, compose: Compose, services: Sequence[Service], before: Sequence[Container]) -> None:
    if _far():
        return
    running = [one for one in before if one.state == "running"]
    # Between two starts the engine holds the ports of a service that dies again and again, and lists none.
    restarting = {one.service for one in before if one.state == "restarting"}
    for service in services:
        for port in service.ports if service.name not in restarting else ():
            ours = [one for one in running if f":{port.number}->" in one.ports]
            if any(one.service == service.name for one in ours):
                continue
            if ours or ports.taken(port):
                who = f"{ours[0].service} of this stack" if ours else ports.holder(port)
                raise StackRefused(_told(service, port, who), _remedy(settings, compose, service, port, bool(ours)))


def _told(service: Service, port: Port, who: str) -> str:
    return f"port {port.number} of {port.host}, which {service.name} publishes, is taken by {who}"


def _remedy(settings: Settings, compose: Compose, service: Service, port: Port, ours: bool) -> str:
    """The variable of the compose file that says the port, if one does."""
    first = "Run `inv compose.down` first" if ours else "Stop it"
    name = port_variables.variable(settings, compose, service, port)
    return f"{first}, or set {name} to another" if name else f"{first}, or publish another in the compose file"
