"""Waiting until services are healthy, with a word on each that is, and the error of one that dies."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from goldi_tasks.command import mask
from goldi_tasks.compose import containers, health, service_failure
from goldi_tasks.compose.containers import Container
from goldi_tasks.compose.stack_model import Service, Stack

# Seconds between two looks, between two looks at logs, and after which is told what is waited for.
_LOOK, _READ, _TELL = 0.15, 0.5, 10.0


def until_healthy(
    found: Stack, services: Sequence[Service], timeout: float, verdicts: Mapping[str, datetime]
) -> tuple[Container, ...]:
    """The containers of `services` once all run and are healthy. Raises StackFailed, NoEngine.

    `verdicts` are moments until which checks of a container count for nothing.
    """
    began = told = read = time.monotonic()
    ready: set[str] = set()
    wanted = [service.name for service in services]
    while True:
        now = {one.service: one for one in containers.listed(project=found.name)}
        mine = [now[name] for name in wanted if name in now]
        for container in mine:
            if _dead(container, found) or (container.health == "unhealthy" and is_unhealthy(container, verdicts)):
                raise service_failure.of_container(container)
        done = {one.service for one in mine if one.up or (one.service in found.jobs and one.code == 0)}
        passed = time.monotonic() - began
        if passed > 1.0:
            for name in sorted(done - ready):
                print(f"  {name} is ready after {passed:.1f} s", flush=True)
        ready |= done
        missing = [name for name in wanted if name not in done]
        if not missing:
            return tuple(mine)
        if time.monotonic() - read > _READ:
            expect_served(one for one in mine if one.service in missing)
            read = time.monotonic()
        if passed > timeout:
            raise service_failure.late(now.get(missing[0]), missing[0], timeout)
        if time.monotonic() - told > _TELL:
            told = time.monotonic()
            print(f"  waiting for {', '.join(missing)}: {passed:.0f} s{_says(now.get(missing[0]))}", flush=True)
        time.sleep(_LOOK)


def expect_served(there: Iterable[Container]) -> None:
    """Raises StackFailed for a container whose server runs and whose app does not start."""
    by_id = {one.id: one for one in there}
    for key, error in service_failure.broken(by_id.values()).items():
        raise service_failure.of_server(by_id[key], error)


def expect_alive(there: Iterable[Container]) -> None:
    """Raises StackFailed for one that is restarted again and again, or whose app does not start."""
    named = list(there)
    for container in named:
        if container.state == "restarting":
            raise service_failure.of_container(container)
    expect_served(named)


def is_unhealthy(container: Container, verdicts: Mapping[str, datetime]) -> bool:
    """Whether a container that is called unhealthy is so for checks that count."""
    if not (moment := verdicts.get(container.id)):
        return True
    now = health.inspected([container.id]).get(container.id)
    return bool(now and now.is_unhealthy_since(moment))


def _says(container: Container | None) -> str:
    """What it wrote last."""
    lines = containers.last_lines(container, 1) if container else []
    return f", it says: {mask(lines[-1].strip())}" if lines else ""


def _dead(container: Container, found: Stack) -> bool:
    if container.state in ("exited", "dead"):
        return container.service not in found.jobs or bool(container.code)
    return container.state == "restarting"
