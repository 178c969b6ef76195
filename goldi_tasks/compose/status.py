"""The stack looked at: what runs, how it is, where to click."""

from collections.abc import Mapping, Sequence
from typing import Any

from goldi_tasks.command import mask
from goldi_tasks.compose import compose_project, containers, stack_model
from goldi_tasks.compose import health as health_
from goldi_tasks.compose.containers import Container
from goldi_tasks.compose.health import Health
from goldi_tasks.compose.stack_model import Service, Stack
from goldi_tasks.compose.up import Result
from goldi_tasks.errors import StackFailed
from goldi_tasks.invocation import as_typed
from goldi_tasks.settings import Settings

# What listens there is not for a browser: PostgreSQL, MySQL, Redis, MongoDB.
_NO_PAGES = {5432, 3306, 6379, 27017}
Row = dict[str, Any]


def urls(service: Service) -> list[str]:
    """Where what a service publishes is found from this machine."""
    found = []
    for port in service.ports:
        host = "127.0.0.1" if port.host in ("0.0.0.0", "::") else port.host  # noqa: S104 - it is compared
        at = f"[{host}]:{port.number}" if ":" in host else f"{host}:{port.number}"
        found.append(at if port.target in _NO_PAGES or port.protocol != "tcp" else f"http://{at}")
    return found


def summary(result: Result) -> list[str]:
    """What `up` has brought up, for people."""
    state = {container.service: container for container in result.containers}
    width = max((len(service.name) for service in result.services), default=0)
    lines = [
        f"{service.name:<{width}}  {_word(state[service.name]):<8}  {' '.join(urls(service))}".rstrip()
        for service in result.services
        if service.name in state
    ]
    what = "" if result.changed else ", nothing changed"
    return [*lines, f"{len(lines)} services are up after {result.seconds:.1f} s{what}"]


def as_json(services: Sequence[Service], there: Sequence[Container]) -> list[Row]:
    """The same, for scripts."""
    by_name = {service.name: service for service in services}
    return [_row(container, by_name.get(container.service)) for container in there]


def rows(settings: Settings) -> list[Row]:
    """Every container of the stack. Raises SettingsError, NoEngine."""
    found = compose_project.load(settings, compose_project.open_project(settings))
    there = sorted(containers.listed(project=found.name), key=lambda one: one.service)
    return [_row(container, found.services.get(container.service)) for container in there]


def table(found: Sequence[Row]) -> list[str]:
    """`rows` for people."""
    if not found:
        return [as_typed("nothing is running; `inv compose.up` starts the stack")]
    width = max(len(row["service"]) for row in found)
    return [
        f"{row['service']:<{width}}  {row['status']:<32}  {row['image']}  {' '.join(row['urls'])}".rstrip()
        for row in found
    ]


def health(settings: Settings, profiles: Sequence[str]) -> list[Row]:
    """How each service of `profiles` is, of those that are there if none is said. Raises UnknownName.

    The one source is what the engine keeps of health checks since the last start; the last one decides.
    """
    found = compose_project.load(settings, compose_project.open_project(settings))
    there = {one.service: one for one in containers.listed(project=found.name)}
    wanted = [one.name for one in stack_model.choose(found, profiles) if one.starts] if profiles else sorted(there)
    now = health_.inspected(one.id for one in there.values())
    return [_health(name, found, there.get(name), now) for name in wanted]


def _health(name: str, found: Stack, container: Container | None, now: Mapping[str, Health]) -> Row:
    """The row of a service: `missing` without a container, or with one that has gone meanwhile."""
    if container is None or container.id not in now:
        return {"service": name, "state": "missing", "health": "missing", "up": False, "check": ""}
    one = now[container.id]
    return {
        "service": name,
        "state": one.state,
        "health": one.word,
        "up": one.word in ("healthy", "running") or (name in found.jobs and container.code == 0),
        "check": mask(one.output),
    }


def health_table(found: Sequence[Row]) -> list[str]:
    """`health` for people."""
    width = max((len(row["service"]) for row in found), default=0)
    return [f"{row['service']:<{width}}  {row['health']:<10}  {row['check']}".rstrip() for row in found]


def expect_health(found: Sequence[Row]) -> None:
    """Raises StackFailed unless all of them are up."""
    ill = [row["service"] for row in found if not row["up"]]
    if not found:
        raise StackFailed("nothing of the stack runs", "Start it with `inv compose.up`")
    if ill:
        raise StackFailed(f"{', '.join(ill)} {'is' if len(ill) == 1 else 'are'} not healthy", "See `inv compose.logs`")


def _word(container: Container) -> str:
    """Its health, or its state where nothing checks that."""
    return container.health or container.state


def _row(container: Container, service: Service | None) -> Row:
    return {
        "service": container.service,
        "container": container.name,
        "id": container.id,
        "image": container.image,
        "state": container.state,
        "health": container.health,
        "status": container.status,
        "exit_code": container.code,
        "urls": urls(service) if service and container.state == "running" else [],
    }
