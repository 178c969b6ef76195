"""Why a service does not start, from what it has written since its last start."""

import re
from collections.abc import Iterable, Sequence

from goldi_tasks.command import mask
from goldi_tasks.compose import containers, health
from goldi_tasks.compose.containers import Container
from goldi_tasks.errors import StackFailed

# What begins a line of scripts/serve.py, and one that says that the app does not start.
_SERVE, _ERROR = "serve: ", "serve: error: "
_PLACE = re.compile(r'\s+File "(.+)", line (\d+)')
# More than the longest traceback: serve.py writes its line after it.
_LINES = 200


def broken(there: Iterable[Container]) -> dict[str, str]:
    """The error of those running containers whose app does not start, by id. A server shows it until it is mended."""
    running = {one.id: one for one in there if one.state == "running"}
    found = {}
    for key, one in health.inspected(running).items():
        lines = containers.last_lines(running[key], _LINES, one.started.isoformat())
        if error := serve_error(lines):
            found[key] = error
    return found


def serve_error(lines: Sequence[str]) -> str:
    """The error that scripts/serve.py shows to who asks the app; "" where the app is served."""
    last = next((line for line in reversed(lines) if line.startswith(_SERVE)), "")
    return last.removeprefix(_ERROR) if last.startswith(_ERROR) else ""


def last_error(lines: Sequence[str]) -> str:
    """The error that ended a program: that of a Python traceback with its place, else the last line."""
    places = [(number, place) for number, line in enumerate(lines) if (place := _PLACE.match(line))]
    if places:
        error = next((line for line in lines[places[-1][0] + 1 :] if line[:1].strip()), "")
        own = [place for _, place in places if "/lib/python" not in place[1] and not place[1].startswith("<")]
        if error:
            return error + (f" ({own[-1][1]}, line {own[-1][2]})" if own else "")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def of_server(container: Container, error: str) -> StackFailed:
    """The app behind a server that runs does not start; its last lines are shown."""
    _show(container, containers.last_lines(container))
    problem = f"{container.service} does not start: {mask(error)}"
    return StackFailed(problem, "Mend that: it is served as soon as the file is saved")


def of_container(container: Container) -> StackFailed:
    """A container ended, or is unhealthy; its last lines are shown."""
    lines = containers.last_lines(container)
    _show(container, lines)
    if container.health == "unhealthy":
        now = health.inspected([container.id]).get(container.id)
        output = f": {mask(now.output)}" if now and now.output else ""
        remedy = f"See `inv compose.logs --service {container.service}`"
        return StackFailed(f"{container.service} is unhealthy{output}", remedy)
    ended = f"ended with exit code {container.code}" if container.code is not None else f"is {container.state}"
    error = f": {mask(said)}" if (said := last_error(lines)) else ""
    return StackFailed(f"{container.service} {ended}{error}", "Mend that and run this again")


def late(container: Container | None, name: str, timeout: float) -> StackFailed:
    """A service is not healthy in time; its last lines are shown."""
    if container:
        _show(container, containers.last_lines(container))
    state = f"is still {container.health or container.state}" if container else "has no container"
    return StackFailed(f"{name} {state} after {timeout:g} s", "Give it more with --timeout, or mend its health check")


def _show(container: Container, lines: Iterable[str]) -> None:
    for line in lines:
        print(f"{container.service} | {mask(line)}", flush=True)
