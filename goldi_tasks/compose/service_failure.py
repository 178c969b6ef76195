"""Explain why a service does not start, from its log since its last start."""

import re
from collections.abc import Iterable, Sequence

from goldi_tasks.command import mask
from goldi_tasks.compose import containers, health
from goldi_tasks.compose.containers import Container
from goldi_tasks.errors import StackFailed

# Prefixes of the lines of scripts/serve.py, and of those that say that the app does not start.
_SERVE_PREFIX, _ERROR_PREFIX = "serve: ", "serve: error: "
_TRACEBACK_PLACE = re.compile(r'\s+File "(.+)", line (\d+)')
# More than the longest traceback: serve.py writes its line after it.
_MAX_LINES = 200


def broken(service_containers: Iterable[Container]) -> dict[str, str]:
    """Return, by id, the errors of running containers whose app does not start.

    Their server runs and shows the error until it is fixed.
    """
    running = {container.id: container for container in service_containers if container.state == "running"}
    errors = {}
    for container_id, state in health.inspect(running).items():
        lines = containers.last_lines(running[container_id], _MAX_LINES, state.started.isoformat())
        if error := serve_error(lines):
            errors[container_id] = error
    return errors


def serve_error(lines: Sequence[str]) -> str:
    """Return the error that scripts/serve.py shows in place of the app; "" if the app is served."""
    last = next((line for line in reversed(lines) if line.startswith(_SERVE_PREFIX)), "")
    return last.removeprefix(_ERROR_PREFIX) if last.startswith(_ERROR_PREFIX) else ""


def last_error(lines: Sequence[str]) -> str:
    """Return the error that ended a program: that of a Python traceback with its place, else the last line."""
    places = [(number, place) for number, line in enumerate(lines) if (place := _TRACEBACK_PLACE.match(line))]
    if places:
        error = next((line for line in lines[places[-1][0] + 1 :] if line[:1].strip()), "")
        own = [place for _, place in places if "/lib/python" not in place[1] and not place[1].startswith("<")]
        if error:
            return error + (f" ({own[-1][1]}, line {own[-1][2]})" if own else "")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def of_server(container: Container, error: str) -> StackFailed:
    """Return the error of an app that does not start behind a running server; show the container's last lines."""
    _show(container, containers.last_lines(container))
    problem = f"{container.service} does not start: {mask(error)}"
    return StackFailed(problem, "Fix this error: the app is served as soon as the file is saved")


def of_container(container: Container) -> StackFailed:
    """Return the error of a container that ended or is unhealthy; show its last lines."""
    lines = containers.last_lines(container)
    _show(container, lines)
    if container.health == "unhealthy":
        current_health = health.inspect([container.id]).get(container.id)
        output = f": {mask(current_health.output)}" if current_health and current_health.output else ""
        remedy = f"See `inv compose.logs --service {container.service}`"
        return StackFailed(f"{container.service} is unhealthy{output}", remedy)
    ended = (
        f"ended with exit code {container.exit_code}" if container.exit_code is not None else f"is {container.state}"
    )
    error = f": {mask(last_error_line)}" if (last_error_line := last_error(lines)) else ""
    return StackFailed(f"{container.service} {ended}{error}", "Fix this error and run this again")


def late(container: Container | None, name: str, timeout: float) -> StackFailed:
    """Return the error of a service that is not healthy in time; show its last lines."""
    if container:
        _show(container, containers.last_lines(container))
    state = f"is still {container.health or container.state}" if container else "has no container"
    return StackFailed(
        f"{name} {state} after {timeout:g} s", "Give it more time with --timeout, or fix its health check"
    )


def _show(container: Container, lines: Iterable[str]) -> None:
    for line in lines:
        print(f"{container.service} | {mask(line)}", flush=True)
