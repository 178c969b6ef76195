"""Waiting until services are healthy, with a word on each that is, and the last words of one that dies."""

import time
from collections.abc import Sequence

from goldi_tasks.command import mask
from goldi_tasks.compose import containers
from goldi_tasks.compose.containers import Container
from goldi_tasks.errors import StackFailed
from goldi_tasks.plan.stack import Service, Stack

# Seconds between two looks, and after which is told what is waited for.
_LOOK, _TELL = 0.15, 10.0


def until_healthy(found: Stack, services: Sequence[Service], timeout: float) -> tuple[Container, ...]:
    """The containers of `services` once all run and are healthy. Raises StackFailed, NoEngine."""
    began = told = time.monotonic()
    ready: set[str] = set()
    wanted = [service.name for service in services]
    while True:
        now = {one.service: one for one in containers.listed(project=found.name)}
        mine = [now[name] for name in wanted if name in now]
        for container in mine:
            if _dead(container, found):
                raise failure(container)
        done = {one.service for one in mine if one.up or (one.service in found.jobs and one.code == 0)}
        passed = time.monotonic() - began
        if passed > 1.0:
            for name in sorted(done - ready):
                print(f"  {name} is ready after {passed:.1f} s", flush=True)
        ready |= done
        missing = [name for name in wanted if name not in done]
        if not missing:
            return tuple(mine)
        if passed > timeout:
            raise _late(now.get(missing[0]), missing[0], timeout)
        if time.monotonic() - told > _TELL:
            told = time.monotonic()
            print(f"  waiting for {', '.join(missing)}: {passed:.0f} s{_says(now.get(missing[0]))}", flush=True)
        time.sleep(_LOOK)


def _says(container: Container | None) -> str:
    """What it wrote last."""
    lines = containers.last_lines(container, 1) if container else []
    return f", it says: {mask(lines[-1].strip())}" if lines else ""


def failure(container: Container) -> StackFailed:
    """What is to be said of a service that ended or is unhealthy, after its last lines have been shown."""
    for line in containers.last_lines(container):
        print(f"{container.service} | {mask(line)}", flush=True)
    if container.health == "unhealthy":
        check = containers.last_check(container)
        said = f": {mask(check)}" if check else ""
        remedy = f"See `inv compose.logs --service {container.service}`"
        return StackFailed(f"{container.service} is unhealthy{said}", remedy)
    ended = f"ended with exit code {container.code}" if container.code is not None else f"is {container.state}"
    return StackFailed(f"{container.service} {ended}", "Its last lines are above; mend that and run this again")


def _dead(container: Container, found: Stack) -> bool:
    if container.state in ("exited", "dead"):
        return container.service not in found.jobs or bool(container.code)
    return container.state == "restarting" or container.health == "unhealthy"


def _late(container: Container | None, name: str, timeout: float) -> StackFailed:
    if container:
        for line in containers.last_lines(container):
            print(f"{name} | {mask(line)}", flush=True)
    what = f"is still {container.health or container.state}" if container else "has no container"
    return StackFailed(f"{name} {what} after {timeout:g} s", "Give it more with --timeout, or mend its health check")
