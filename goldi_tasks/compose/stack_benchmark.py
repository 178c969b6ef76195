"""Measure how long the stack's tasks take beside docker's own commands, and how soon a saved file is served."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.benchmark.limits import Limit, LimitReport
from goldi_tasks.benchmark.times import COMPILED, Times
from goldi_tasks.command import Command
from goldi_tasks.compose import compose_project, containers, down, up
from goldi_tasks.compose.containers import Container
from goldi_tasks.errors import NotAProject, StackFailed
from goldi_tasks.settings import Settings

LIMITS = (
    Limit("`compose.up`, nothing changed", "up, ours", "up, docker", "`docker compose up -d`", "more", 0.5),
    Limit("`compose.exec`", "exec, ours", "exec, docker", "`docker exec`", "more", 0.2),
    Limit("a saved Python file is served", "reload", "saved", "saved at", "more", 1.0),
)
_GOLDI = str(Path(sys.executable).with_name("goldi"))
# uvicorn logs this when it begins to serve.
_STARTUP_LINE = "Application startup complete"
# Seconds before a change (file systems keep times to 10 ms, and a reload has to be over), and for a reload at most.
_SETTLE_SECONDS, _TIMEOUT = 1.0, 20.0


def measure(settings: Settings, number: int, report: Callable[[str], None]) -> LimitReport:
    """Measure `number` rounds with the dev stack, which is taken down again if it was not up. Raises as `up` does."""
    compose = compose_project.open_project(settings)
    stack = compose_project.load(settings, compose)
    was_up = bool(containers.list_containers(project=stack.name))
    report("the dev stack")
    up.up(settings, up.StartRequest(("dev",)))
    try:
        times = Times(report)
        for index in range(number):
            times.heading = f"round {index + 1} of {number}: "
            container = _find_uvicorn_container(stack.name)
            compose_up = compose.command(("dev",), "up", "--detach", "--no-build")
            with times.timed("up, docker"):
                _run_quietly(compose_up, settings)
            with times.timed("up, ours"):
                _run_quietly(Command((_GOLDI, "compose.up"), COMPILED), settings)
            with times.timed("exec, docker"):
                _run_quietly(Command(("docker", "exec", container.id, "true")), settings)
            with times.timed("exec, ours"):
                _run_quietly(Command((_GOLDI, "compose.exec", container.service, "--", "true"), COMPILED), settings)
            times.seconds.setdefault("reload", []).append(_measure_reload(settings, container))
            times.seconds.setdefault("saved", []).append(0.0)
    finally:
        if not was_up:
            down.down(settings, None)
    return LimitReport(number, os.cpu_count() or 1, times.medians(), LIMITS, "task")


def _run_quietly(command: Command, settings: Settings) -> None:
    process.capture(command, cwd=settings.project)


def _find_uvicorn_container(project: str) -> Container:
    """Return the container of the service that serves Python, by what uvicorn logs at its start."""
    for container in containers.list_containers(project=project):
        if any(_STARTUP_LINE in line for line in containers.last_lines(container, 500)):
            return container
    raise StackFailed("no service of the dev profile serves with uvicorn", "There is nothing to measure here")


def _measure_reload(settings: Settings, container: Container) -> float:
    """Measure the seconds from saving a file of the app until it is served."""
    packages = sorted((settings.project / settings.app).glob("*/__init__.py"))
    if not packages:
        raise NotAProject(f"{settings.project / settings.app} has no Python package", "Set `app` in [tool.goldi]")
    time.sleep(_SETTLE_SECONDS)
    began, since = time.monotonic(), f"{time.time():.6f}"
    packages[0].touch()
    while time.monotonic() - began < _TIMEOUT:
        log = process.capture(Command(("sh", "-c", 'docker logs --since "$0" "$1" 2>&1', since, container.id)))
        if _STARTUP_LINE in log:
            return time.monotonic() - began
    raise StackFailed(
        f"{container.service} did not serve a changed file within {_TIMEOUT:g} s", "See `inv compose.logs`"
    )
