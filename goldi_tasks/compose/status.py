"""Report the state of the stack: its containers, their health, the addresses of its services."""

from collections.abc import Mapping, Sequence
from typing import Any

from goldi_tasks.command import mask
from goldi_tasks.compose import compose_project, containers, stack_model
from goldi_tasks.compose import health as health_
from goldi_tasks.compose.containers import Container
from goldi_tasks.compose.health import Health
from goldi_tasks.compose.stack_model import Service, Stack
from goldi_tasks.compose.up import StartedStack
from goldi_tasks.errors import StackFailed
from goldi_tasks.invocation import as_typed
from goldi_tasks.settings import Settings

# Ports of servers that are not for a browser: PostgreSQL, MySQL, Redis, MongoDB.
_NOT_HTTP = {5432, 3306, 6379, 27017}
Row = dict[str, Any]


def urls(service: Service) -> list[str]:
    """Return the addresses at which this machine reaches the published ports of a service."""
    addresses = []
    for port in service.ports:
        host = "127.0.0.1" if port.host in ("0.0.0.0", "::") else port.host  # noqa: S104 - it is compared
        address = f"[{host}]:{port.number}" if ":" in host else f"{host}:{port.number}"
        addresses.append(address if port.target in _NOT_HTTP or port.protocol != "tcp" else f"http://{address}")
    return addresses


def summary(result: StartedStack) -> list[str]:
    """Format what `up` has started, for people."""
    states = {container.service: _health_or_state(container) for container in result.containers}
    width = max((len(service.name) for service in result.services), default=0)
    lines = [
        f"{service.name:<{width}}  {states[service.name]:<8}  {' '.join(urls(service))}".rstrip()
        for service in result.services
        if service.name in states
    ]
    unchanged_note = "" if result.changed else ", nothing changed"
    return [*lines, f"{len(lines)} services are up after {result.seconds:.1f} s{unchanged_note}"]


def as_json(services: Sequence[Service], stack_containers: Sequence[Container]) -> list[Row]:
    """Return the rows of the containers of `services`, for scripts."""
    by_name = {service.name: service for service in services}
    return [_build_row(container, by_name.get(container.service)) for container in stack_containers]


def list_containers(settings: Settings) -> list[Row]:
    """Return every container of the stack, by service. Raises SettingsError, NoEngine."""
    stack = compose_project.load(settings, compose_project.open_project(settings))
    stack_containers = sorted(containers.list_containers(project=stack.name), key=lambda container: container.service)
    return [_build_row(container, stack.services.get(container.service)) for container in stack_containers]


def format_containers(container_rows: Sequence[Row]) -> list[str]:
    """Format `rows` for people."""
    if not container_rows:
        return [as_typed("nothing is running; `inv compose.up` starts the stack")]
    width = max(len(row["service"]) for row in container_rows)
    return [
        f"{row['service']:<{width}}  {row['status']:<32}  {row['image']}  {' '.join(row['urls'])}".rstrip()
        for row in container_rows
    ]


def list_health(settings: Settings, profiles: Sequence[str]) -> list[Row]:
    """Return the health of each service of `profiles`; without profiles, of those with a container. Raises UnknownName.

    The only source is what the engine keeps of health checks since the last start; the last check decides.
    """
    stack = compose_project.load(settings, compose_project.open_project(settings))
    containers_by_service = {
        container.service: container for container in containers.list_containers(project=stack.name)
    }
    names = (
        [service.name for service in stack_model.select_services(stack, profiles) if service.starts]
        if profiles
        else sorted(containers_by_service)
    )
    health_by_id = health_.inspect(container.id for container in containers_by_service.values())
    return [_build_health_row(name, stack, containers_by_service.get(name), health_by_id) for name in names]


def _build_health_row(name: str, stack: Stack, container: Container | None, health_by_id: Mapping[str, Health]) -> Row:
    """Return the row of a service: `missing` without a container, or with one that was removed meanwhile."""
    if container is None or container.id not in health_by_id:
        return {"service": name, "state": "missing", "health": "missing", "up": False, "check": ""}
    current = health_by_id[container.id]
    return {
        "service": name,
        "state": current.state,
        "health": current.summary,
        "up": current.summary in ("healthy", "running") or (name in stack.jobs and container.exit_code == 0),
        "check": mask(current.output),
    }


def format_health(health_rows: Sequence[Row]) -> list[str]:
    """Format `health` for people."""
    width = max((len(row["service"]) for row in health_rows), default=0)
    return [f"{row['service']:<{width}}  {row['health']:<10}  {row['check']}".rstrip() for row in health_rows]


def expect_health(health_rows: Sequence[Row]) -> None:
    """Require that all services are up. Raises StackFailed."""
    unhealthy_names = [row["service"] for row in health_rows if not row["up"]]
    if not health_rows:
        raise StackFailed("nothing of the stack runs", "Start it with `inv compose.up`")
    if unhealthy_names:
        raise StackFailed(
            f"{', '.join(unhealthy_names)} {'is' if len(unhealthy_names) == 1 else 'are'} not healthy",
            "See `inv compose.logs`",
        )


def _health_or_state(container: Container) -> str:
    """Return its health, or its state without a health check."""
    return container.health or container.state


def _build_row(container: Container, service: Service | None) -> Row:
    return {
        "service": container.service,
        "container": container.name,
        "id": container.id,
        "image": container.image,
        "state": container.state,
        "health": container.health,
        "status": container.status,
        "exit_code": container.exit_code,
        "urls": urls(service) if service and container.state == "running" else [],
    }
