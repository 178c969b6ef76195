"""Wait until services are healthy; report each that is ready, and raise the error of one that fails."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from goldi_tasks.command import mask
from goldi_tasks.compose import containers, health, service_failure
from goldi_tasks.compose.containers import Container
from goldi_tasks.compose.stack_model import Service, Stack

# Seconds between two looks at the containers, between two looks at logs, and between two progress lines.
_STATE_INTERVAL, _LOG_INTERVAL, _REPORT_INTERVAL = 0.15, 0.5, 10.0


def until_healthy(
    stack: Stack, services: Sequence[Service], timeout: float, verdicts: Mapping[str, datetime]
) -> tuple[Container, ...]:
    """Return the containers of `services` once all run and are healthy. Raises StackFailed, NoEngine.

    `verdicts` are moments by container id; checks that ended before them are ignored.
    """
    started_at = reported_at = log_read_at = time.monotonic()
    reported_names: set[str] = set()
    names = [service.name for service in services]
    while True:
        by_service = {container.service: container for container in containers.list_containers(project=stack.name)}
        current = [by_service[name] for name in names if name in by_service]
        for container in current:
            if _has_failed(container, stack) or (container.health == "unhealthy" and is_unhealthy(container, verdicts)):
                raise service_failure.of_container(container)
        ready_names = {
            container.service
            for container in current
            if container.is_up or (container.service in stack.jobs and container.exit_code == 0)
        }
        elapsed = time.monotonic() - started_at
        if elapsed > 1.0:
            for name in sorted(ready_names - reported_names):
                print(f"  {name} is ready after {elapsed:.1f} s", flush=True)
        reported_names |= ready_names
        missing = [name for name in names if name not in ready_names]
        if not missing:
            return tuple(current)
        if time.monotonic() - log_read_at > _LOG_INTERVAL:
            expect_served(container for container in current if container.service in missing)
            log_read_at = time.monotonic()
        if elapsed > timeout:
            raise service_failure.late(by_service.get(missing[0]), missing[0], timeout)
        if time.monotonic() - reported_at > _REPORT_INTERVAL:
            reported_at = time.monotonic()
            last_line = _quote_last_line(by_service.get(missing[0]))
            print(f"  waiting for {', '.join(missing)}: {elapsed:.0f} s{last_line}", flush=True)
        time.sleep(_STATE_INTERVAL)


def expect_served(service_containers: Iterable[Container]) -> None:
    """Raise StackFailed for a container whose server runs and whose app does not start."""
    by_id = {container.id: container for container in service_containers}
    for container_id, error in service_failure.broken(by_id.values()).items():
        raise service_failure.of_server(by_id[container_id], error)


def expect_alive(service_containers: Iterable[Container]) -> None:
    """Raise StackFailed for a container that restarts again and again, or whose app does not start."""
    checked = list(service_containers)
    for container in checked:
        if container.state == "restarting":
            raise service_failure.of_container(container)
    expect_served(checked)


def is_unhealthy(container: Container, verdicts: Mapping[str, datetime]) -> bool:
    """Return whether a container that Docker calls unhealthy is so by checks since `verdicts`."""
    if not (moment := verdicts.get(container.id)):
        return True
    current_health = health.inspect([container.id]).get(container.id)
    return bool(current_health and current_health.is_unhealthy_since(moment))


def _quote_last_line(container: Container | None) -> str:
    """Return the last line of its log, as a clause."""
    lines = containers.last_lines(container, 1) if container else []
    return f", last line: {mask(lines[-1].strip())}" if lines else ""


def _has_failed(container: Container, stack: Stack) -> bool:
    """Return whether it has ended without success, or restarts."""
    if container.state in ("exited", "dead"):
        return container.service not in stack.jobs or bool(container.exit_code)
    return container.state == "restarting"
