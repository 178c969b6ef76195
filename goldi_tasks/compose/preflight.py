"""Check before a start what would fail halfway: ports, secrets, volumes, another checkout's stack."""

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from goldi_tasks import ownership, process
from goldi_tasks.client import run_arguments, system_info
from goldi_tasks.client.inspect_objects import inspect_objects
from goldi_tasks.command import Command
from goldi_tasks.compose import ports, stack_owner
from goldi_tasks.compose.compose_arguments import PROJECT_LABEL, Compose
from goldi_tasks.compose.containers import Container
from goldi_tasks.compose.stack_model import Port, Service, Stack, Volume
from goldi_tasks.errors import StackRefused
from goldi_tasks.settings import Settings

# A volume as `docker volume inspect` prints it.
InspectedVolume = Mapping[str, Any]


def expect_startable(
    settings: Settings,
    compose: Compose,
    stack: Stack,
    services: Sequence[Service],
    containers: Sequence[Container],
    volumes: Sequence[InspectedVolume],
) -> None:
    """Check that the stack can start. Raises StackRefused.

    `containers` are those of the stack, `volumes` those of all stacks.
    """
    stack_owner.expect_ours(settings, stack.name, containers)
    # The network file is ours: it is written after these checks.
    secrets = {name: file for name, file in stack.secrets.items() if file != compose.env.get("GOLDI_NETWORK")}
    for service in services:
        for name in service.secrets:
            if name in secrets:
                _check_secret(name, Path(secrets[name]), service)
    used_keys = {name for service in services for name, _ in service.mounts}
    mounted_volumes = [stack.volumes[name] for name in sorted(used_keys) if name in stack.volumes]
    _check_options(mounted_volumes, volumes)
    data_names = {mounted.name for mounted in mounted_volumes if not mounted.device and not mounted.external}
    stack_owner.expect_not_theirs(settings, [volume for volume in volumes if volume["Name"] in data_names])
    _check_devices(settings, stack, services)
    _check_ports(settings, compose, services, containers)


def list_volumes(project: str = "") -> Sequence[InspectedVolume]:
    """Return the volumes of a stack, or of all stacks, as `docker volume inspect` prints them. Raises CommandFailed."""
    label = f"label={PROJECT_LABEL}={project}" if project else f"label={PROJECT_LABEL}"
    names = process.capture(Command(("docker", "volume", "ls", "--quiet", "--filter", label))).split()
    return inspect_objects("volume", names)


def _check_secret(name: str, file: Path, service: Service) -> None:
    """Require a secret's file that the service can read.

    Compose mounts the file with its owner and mode, and a service may run as another user.
    """
    if not file.exists():
        command = f"`mkdir -p -m 700 {file.parent} && openssl rand -hex 24 >{file}`"
        raise StackRefused(f"the secret '{name}' of {service.name} is missing: no file {file}", f"Create it: {command}")
    file_status = file.stat()
    owner, _ = system_info.map_owner((file_status.st_uid, file_status.st_gid))
    if not file_status.st_mode & stat.S_IROTH and str(owner) != service.user:
        problem = f"{service.name} cannot read its secret {file}, which only the file's owner can read"
        raise StackRefused(
            problem, f"Run `chmod 700 {file.parent} && chmod 644 {file}`: the directory keeps others out"
        )


def _check_options(volumes: Sequence[Volume], existing: Sequence[InspectedVolume]) -> None:
    """Require that existing volumes have the options of the compose file: a volume keeps those it was created with."""
    options_by_name = {inspected["Name"]: inspected.get("Options") or {} for inspected in existing}
    for volume in volumes:
        options = options_by_name.get(volume.name)
        if volume.external or options is None or dict(volume.options) == options:
            continue
        current, configured = options.get("device", "kept by the engine"), volume.device or "kept by the engine"
        remedy = f"Back up what is in it, then `docker volume rm {volume.name}`"
        if options.get("o") == "bind":
            remedy = "Run `inv compose.down`, which keeps its content, then run this again"
        raise StackRefused(f"the volume {volume.name} is {current}, and the compose file says {configured}", remedy)


def _check_devices(settings: Settings, stack: Stack, services: Sequence[Service]) -> None:
    """Require that the directories of volumes exist; in the place of a cache they must be private, too.

    The directories of caches may be missing: they are created before the start.
    """
    if process.is_dry() or _is_remote():
        return
    mounts = run_arguments.mounts(settings)
    # Missing directories of caches are created after these checks.
    cache_targets, cache_directories = {target for _, _, target in mounts}, {directory for _, directory, _ in mounts}
    for name, target in (mount for service in services for mount in service.mounts):
        volume = stack.volumes.get(name)
        if volume is None or not volume.device or volume.external:
            continue
        device, alternative = Path(volume.device), "another directory in the compose file"
        if not device.is_dir() and (device.exists() or device not in cache_directories):
            problem = f"the volume {volume.name} is {device}, which is not a directory"
            raise StackRefused(problem, f"Create it with `mkdir -m 700 '{device}'`, or name {alternative}")
        if target in cache_targets and (problem_and_remedy := ownership.find_problem(device, alternative)):
            raise StackRefused(
                f"the volume {volume.name} is {device}, and {problem_and_remedy[0]}", problem_and_remedy[1]
            )


def _is_remote() -> bool:
    """Return whether the engine runs on another machine."""
    return not os.environ.get("DOCKER_HOST", "unix://").startswith("unix://")


def _check_ports(
    settings: Settings, compose: Compose, services: Sequence[Service], containers: Sequence[Container]
) -> None:
    """Require that published ports are free, or used by this service."""
    if _is_remote():
        return
    running = [container for container in containers if container.state == "running"]
    # Between two restarts of a failing service the engine keeps its ports, but lists none.
    restarting = {container.service for container in containers if container.state == "restarting"}
    for service in services:
        for port in service.ports if service.name not in restarting else ():
            publishing = [container for container in running if f":{port.number}->" in container.ports]
            if any(container.service == service.name for container in publishing):
                continue
            if publishing or ports.taken(port):
                holder = f"{publishing[0].service} of this stack" if publishing else ports.holder(port)
                raise StackRefused(
                    _describe_conflict(service, port, holder),
                    _suggest_remedy(settings, compose, service, port, bool(publishing)),
                )


def _describe_conflict(service: Service, port: Port, holder: str) -> str:
    return f"port {port.number} of {port.host}, which {service.name} publishes, is in use by {holder}"


def _suggest_remedy(settings: Settings, compose: Compose, service: Service, port: Port, is_ours: bool) -> str:
    """Return how to free the port, with the variable of the compose file that sets it, if there is one."""
    first = "Run `inv compose.down` first" if is_ours else "Stop it"
    name = ports.variable(settings, compose, service, port)
    return (
        f"{first}, or set {name} to another port" if name else f"{first}, or publish another port in the compose file"
    )
