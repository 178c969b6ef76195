"""Bring the stack up: check the machine, build images, start containers, wait until they are healthy."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from goldi_tasks import inside_container, network, process, state
from goldi_tasks.bake import bakefile, builds, summary
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.command import Command
from goldi_tasks.compose import (
    compose_errors,
    compose_project,
    containers,
    health,
    host_setup,
    preflight,
    service_failure,
    stack_model,
    stack_owner,
    wait,
)
from goldi_tasks.compose.compose_arguments import Compose
from goldi_tasks.compose.containers import Container
from goldi_tasks.compose.stack_model import Service, Stack
from goldi_tasks.errors import CommandFailed, GoldiError, StackFailed
from goldi_tasks.settings import Settings

_UNHEALTHY_DEPENDENCY = re.compile(r"dependency failed to start: container (\S+) is unhealthy")
_VOLUME_CREATED = re.compile(r"Volume .+ Created$")
# A line of compose that waits for a dependency.
_WAIT_LINE = re.compile(r"Container (\S+)\s+(Waiting|Healthy|Exited|Error)")
# Seconds between two checks of a service that compose waits for.
_CHECK_INTERVAL = 1.0
# The ends of lines that report a change.
_CHANGE_ENDINGS = (" Created", " Started", " Recreated", " Removed", " Pulled", " Stopped")


@dataclass(frozen=True)
class StartRequest:
    """The services to bring up: `services` of `profiles`, all of them if none is named, within `timeout` seconds.

    `recreate` replaces every container; `watched` services have the source in their image.
    """

    profiles: tuple[str, ...]
    services: tuple[str, ...] = ()
    timeout: float = 120.0
    recreate: bool = False
    watched: bool = False


@dataclass(frozen=True)
class StartedStack:
    """The started services in start order, their containers, the duration, and whether compose `changed` anything."""

    stack: Stack
    services: tuple[Service, ...]
    containers: tuple[Container, ...]
    seconds: float
    changed: bool


def up(settings: Settings, request: StartRequest) -> StartedStack | None:
    """Bring up the requested services and wait until all are healthy; return None in a dry run.

    Raises NoDevcontainer, UnknownName, SettingsError, StackRefused before anything is changed or written; StackFailed,
    NoEngine, Interrupted.
    """
    inside_container.expect_outside()
    started_at, request_key = time.monotonic(), repr((request.profiles, request.services, request.watched))
    # Each of these calls docker, which takes 50 ms or more.
    with ThreadPoolExecutor() as pool:
        last_built = () if process.is_dry() else recall(settings, request_key)
        up_to_date = pool.submit(_are_up_to_date, settings, last_built)
        all_containers, all_volumes = pool.submit(containers.list_containers), pool.submit(preflight.list_volumes)
        host_plan = pool.submit(host_setup.plan, settings)
        compose, stack, services = _select_services(settings, request)
        earlier = [container for container in all_containers.result() if container.project == stack.name]
        starting = tuple(service for service in services if service.starts)
        preflight.expect_startable(settings, compose, stack, starting, earlier, all_volumes.result())
        write_host_files = host_plan.result()
        if not process.is_dry():
            # All checks have passed: write to this machine.
            write_host_files()
        targets = _list_bake_targets(settings, services)
        if not (targets == last_built and up_to_date.result()):
            _build_images(settings, compose, services, targets)
            if not process.is_dry():
                remember(settings, request_key, targets)
    built_images = {image for image in _find_external_images(starting, earlier) if host_setup.provide(settings, image)}
    if built_images:
        compose, stack, services = _select_services(settings, request)
    flags = ("--force-recreate",) if request.recreate else ()
    argv = ("up", "--detach", "--no-build", "--remove-orphans", *flags, *request.services)
    command = compose.command(request.profiles, *argv)
    if process.is_dry():
        process.run_in_terminal(command, cwd=settings.project)
        return None
    # A start may repair an unhealthy container; a healthy one may have failed since its last check.
    verdicts = health.verdicts(earlier)
    starting_names, output = {service.name for service in starting}, list[str]()
    with ThreadPoolExecutor() as pool:
        app_errors = pool.submit(
            service_failure.broken, [container for container in earlier if container.service in starting_names]
        )
        try:
            changed = _start(command, settings.project, stack, starting, request.timeout, verdicts, output)
        finally:
            if any(map(_VOLUME_CREATED.search, output)):
                stack_owner.remember(settings, preflight.list_volumes(stack.name), all_volumes.result())
    if app_errors.result():
        wait.expect_served(
            container
            for container in containers.list_containers(project=stack.name)
            if container.service in starting_names
        )
    ready_containers = wait.until_healthy(stack, starting, request.timeout, verdicts)
    return StartedStack(stack, starting, ready_containers, time.monotonic() - started_at, changed)


def watch_services(settings: Settings, request: StartRequest) -> None:
    """Copy saved files to the requested services, which are up, until Ctrl-C. Raises CommandFailed, Interrupted."""
    compose = compose_project.open_project(settings, watched=True)
    secrets = {} if process.is_dry() else network.secrets(settings)
    command = compose.command(request.profiles, "watch", "--no-up", *request.services, secrets=secrets)
    process.run_in_terminal(command, cwd=settings.project)


def build_services(settings: Settings, request: StartRequest) -> None:
    """Bring the images of the requested services up to date. Raises UnknownName, SettingsError, a build's errors."""
    compose, _, services = _select_services(settings, request)
    _build_images(settings, compose, services, _list_bake_targets(settings, services))


def _select_services(settings: Settings, request: StartRequest) -> tuple[Compose, Stack, tuple[Service, ...]]:
    """Read the compose file and select the requested services."""
    compose = compose_project.open_project(settings, watched=request.watched)
    stack = compose_project.load(settings, compose)
    return compose, stack, stack_model.select_services(stack, request.profiles, request.services)


def _are_up_to_date(settings: Settings, targets: Sequence[str]) -> bool:
    """Return whether bake targets are up to date. An error counts as no: the build reports it."""
    try:
        return bool(targets) and builds.is_up_to_date(settings, BuildRequest(tuple(targets)))
    except GoldiError:
        return False


def _list_bake_targets(settings: Settings, services: Sequence[Service]) -> tuple[str, ...]:
    """Return the bake targets of services."""
    bake_targets = bakefile.load(settings)["target"]
    return tuple(dict.fromkeys(service.target for service in services if service.target in bake_targets))


def _find_external_images(services: Sequence[Service], containers_before: Sequence[Container]) -> list[str]:
    """Return images that are not built here and that no container of the stack uses: they may be missing."""
    present_images = {container.image for container in containers_before}
    return sorted({service.image for service in services if not service.target} - present_images)


def _build_images(settings: Settings, compose: Compose, services: Sequence[Service], targets: Sequence[str]) -> None:
    """Bring images up to date: the `targets` of bake through our build, others through compose's."""
    if targets:
        builds.build_targets(settings, BuildRequest(tuple(targets)), summary.show_if_built)
    if other_names := [service.name for service in services if service.target and service.target not in targets]:
        command = compose.command(("*",), "build", *other_names, secrets=network.secrets(settings))
        process.run_in_terminal(command, cwd=settings.project)


def _start(
    command: Command,
    project: Path,
    stack: Stack,
    services: Sequence[Service],
    timeout: float,
    verdicts: Mapping[str, datetime],
    lines: list[str],
) -> bool:
    """Run compose and show what it changes; append its output to `lines`; return whether it changed anything.

    Compose gives up at once for a dependency that was unhealthy before. Wait until that one is healthy, and try again.
    """
    deadline, changed = time.monotonic() + timeout, False
    while True:
        first = len(lines)
        try:
            return _run(command, project, stack, lines) or changed
        except CommandFailed as error:
            new_lines = lines[first:]
            changed |= any(map(_reports_change, new_lines))
            container = _find_recovering(new_lines, stack, verdicts)
            remaining = deadline - time.monotonic()
            if container is None or remaining <= 0:
                raise _explain_failure(error, "\n".join(new_lines), project, stack, services) from error
            print(f"  {container.service} was unhealthy: waiting until it is healthy", flush=True)
            wait.until_healthy(stack, [stack.services[container.service]], remaining, verdicts)


def _run(command: Command, project: Path, stack: Stack, lines: list[str]) -> bool:
    """Run compose and show what it changes; append its output to `lines`; return whether it changed anything.

    Raises CommandFailed, and StackFailed where a service that compose waits for dies.
    """
    partial_line, changed, wait_states, checked_at = "", False, dict[str, str](), time.monotonic()
    try:
        with process.stream(command, cwd=project, quiet=True) as chunks:
            for chunk in chunks:
                *complete_lines, partial_line = (partial_line + chunk).split("\n")
                lines += complete_lines
                for line in filter(_reports_change, complete_lines):
                    print(f"  {' '.join(line.split())}", flush=True)
                    changed = True
                wait_states |= {match[1]: match[2] for line in complete_lines if (match := _WAIT_LINE.search(line))}
                waiting_names = [name for name, wait_state in wait_states.items() if wait_state == "Waiting"]
                if waiting_names and time.monotonic() - checked_at > _CHECK_INTERVAL:
                    wait.expect_alive(
                        container
                        for container in containers.list_containers(project=stack.name)
                        if container.name in waiting_names
                    )
                    checked_at = time.monotonic()
    finally:
        lines.append(partial_line)
    return changed


def _reports_change(line: str) -> bool:
    """Return whether a line says that compose changed something."""
    return line.rstrip().endswith(_CHANGE_ENDINGS)


def _find_recovering(lines: Sequence[str], stack: Stack, verdicts: Mapping[str, datetime]) -> Container | None:
    """Return the container that compose gave up for, if it may become healthy."""
    names = {match[1] for line in lines if (match := _UNHEALTHY_DEPENDENCY.search(line))}
    for container in containers.list_containers(project=stack.name) if names else ():
        if container.name in names and container.id in verdicts and not wait.is_unhealthy(container, verdicts):
            return container
    return None


def _explain_failure(
    error: CommandFailed, output: str, project: Path, stack: Stack, services: Sequence[Service]
) -> GoldiError:
    """Return why compose failed: the error of a service that it waited for, or its own."""
    if "dependency failed to start" in output or "didn't complete successfully" in output:
        by_name = {container.service: container for container in containers.list_containers(project=stack.name)}
        for service in services:
            container = by_name.get(service.name)
            if container and (container.health == "unhealthy" or container.exit_code):
                return service_failure.of_container(container)
        return StackFailed(f"the stack did not start: {output.splitlines()[-1].strip()}", "See `inv compose.logs`")
    return compose_errors.translate(CommandFailed(output or error.problem, error.code), project)


def recall(settings: Settings, key: str) -> tuple[str, ...]:
    """Return the targets of the request `key`, () if they are not known."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        return tuple(map(str, json.loads(_record_file(settings).read_text(encoding="utf-8")).get(key, ())))
    return ()


def remember(settings: Settings, key: str, targets: Sequence[str]) -> None:
    """Save the targets of the request `key`. A failure is ignored: they are looked up again."""
    with suppress(OSError):
        state.write(_record_file(settings), json.dumps({key: list(targets)}))


def _record_file(settings: Settings) -> Path:
    return state.folder("compose") / f"{settings.key}.json"
