"""How long the stack's tasks take here, beside docker's own commands, and a saved file until it is served."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.benchmark.limits import Limit, Report
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
# What uvicorn writes when it serves.
_SERVES = "Application startup complete"
# Seconds between two changes: file systems keep times to 10 ms, and the last reload has to be over.
_REST, _PATIENCE = 1.0, 20.0


def measure(settings: Settings, number: int, tell: Callable[[str], None]) -> Report:
    """`number` rounds with the dev stack, which is taken down again if it was not up. Raises as `up` does."""
    compose = compose_project.open_project(settings)
    found = compose_project.load(settings, compose)
    was_up = bool(containers.listed(project=found.name))
    tell("the dev stack")
    up.up(settings, up.Asked(("dev",)))
    try:
        times = Times(tell)
        for current in range(number):
            times.heading = f"round {current + 1} of {number}: "
            service = _service(found.name)
            plain = compose.command(("dev",), "up", "--detach", "--no-build")
            with times.timed("up, docker"):
                _quiet(plain, settings)
            with times.timed("up, ours"):
                _quiet(Command((_GOLDI, "compose.up"), COMPILED), settings)
            with times.timed("exec, docker"):
                _quiet(Command(("docker", "exec", service.id, "true")), settings)
            with times.timed("exec, ours"):
                _quiet(Command((_GOLDI, "compose.exec", service.service, "--", "true"), COMPILED), settings)
            times.seconds.setdefault("reload", []).append(_reload(settings, service))
            times.seconds.setdefault("saved", []).append(0.0)
    finally:
        if not was_up:
            down.down(settings, None)
    return Report(number, os.cpu_count() or 1, times.medians(), LIMITS, "task")


def _quiet(command: Command, settings: Settings) -> None:
    process.capture(command, cwd=settings.project)


def _service(project: str) -> Container:
    """The service that serves Python: the one that wrote so."""
    for container in containers.listed(project=project):
        if any(_SERVES in line for line in containers.last_lines(container, 500)):
            return container
    raise StackFailed("no service of the dev profile serves with uvicorn", "There is nothing to measure here")


def _reload(settings: Settings, service: Container) -> float:
    """Seconds from the moment at which a file of the app is saved until it is served."""
    packages = sorted((settings.project / settings.app).glob("*/__init__.py"))
    if not packages:
        raise NotAProject(f"{settings.project / settings.app} has no Python package", "Set `app` in [tool.goldi]")
    time.sleep(_REST)
    began, since = time.monotonic(), f"{time.time():.6f}"
    packages[0].touch()
    while time.monotonic() - began < _PATIENCE:
        said = process.capture(Command(("sh", "-c", 'docker logs --since "$0" "$1" 2>&1', since, service.id)))
        if _SERVES in said:
            return time.monotonic() - began
    raise StackFailed(
        f"{service.service} did not serve a changed file within {_PATIENCE:g} s", "See `inv compose.logs`"
    )
