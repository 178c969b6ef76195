"""The stack brought up: looked at before anything is touched, built, started, waited for."""

import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from goldi_tasks import inside_container, network, process
from goldi_tasks.bake import bakefile, builds, summary
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.command import Command
from goldi_tasks.compose import (
    compose_errors,
    compose_project,
    containers,
    database_image,
    health,
    host_setup,
    last_targets,
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

_GAVE_UP = re.compile(r"dependency failed to start: container (\S+) is unhealthy")
_VOLUME = re.compile(r"Volume .+ Created$")
# What compose says while it waits for a dependency, and how it ends a line about something that it did.
_WAITS = re.compile(r"Container (\S+)\s+(Waiting|Healthy|Exited|Error)")
# Seconds between two looks at a service that compose waits for.
_LOOK = 1.0
_DONE = (" Created", " Started", " Recreated", " Removed", " Pulled", " Stopped")


@dataclass(frozen=True)
class Asked:
    """What somebody wants up: the `services` of `profiles`, all of them if none is named, within so many seconds.

    `anew` makes every container anew; `watched` ones have the source in their image.
    """

    profiles: tuple[str, ...]
    services: tuple[str, ...] = ()
    timeout: float = 120.0
    anew: bool = False
    watched: bool = False


@dataclass(frozen=True)
class Result:
    """What is up: the services in the order in which they start, and their containers; whether anything `changed`."""

    stack: Stack
    services: tuple[Service, ...]
    containers: tuple[Container, ...]
    seconds: float
    changed: bool


def up(settings: Settings, asked: Asked) -> Result | None:
    """Bring up what is `asked`, and wait until all of it is healthy; None where all is only shown.

    Raises NoDevcontainer, UnknownName, SettingsError, StackRefused before anything is touched or written; StackFailed,
    NoEngine, Interrupted.
    """
    inside_container.expect_outside()
    began, name = time.monotonic(), repr((asked.profiles, asked.services, asked.watched))
    # Each asks docker, for a twentieth of a second or more.
    with ThreadPoolExecutor() as pool:
        guess = () if process.is_dry() else last_targets.recall(settings, name)
        fresh = pool.submit(_fresh, settings, guess)
        listed, volumes = pool.submit(containers.listed), pool.submit(preflight.volumes)
        set_up = pool.submit(host_setup.plan, settings)
        compose, found, chosen = _looked_at(settings, asked)
        before = [container for container in listed.result() if container.project == found.name]
        starting = tuple(service for service in chosen if service.starts)
        preflight.refuse(settings, compose, found, starting, before, volumes.result())
        write = set_up.result()
        if not process.is_dry():
            # From here on nothing is known to fail.
            write()
        targets = _targets(settings, chosen)
        if not (targets == guess and fresh.result()):
            _build(settings, compose, chosen, targets)
            if not process.is_dry():
                last_targets.remember(settings, name, targets)
    renamed = {image for image in _foreign(starting, before) if database_image.provide(settings, image)}
    if renamed:
        compose, found, chosen = _looked_at(settings, asked)
    flags = ("--force-recreate",) if asked.anew else ()
    start = ("up", "--detach", "--no-build", "--remove-orphans", *flags, *asked.services)
    command = compose.command(asked.profiles, *start)
    if process.is_dry():
        process.live(command, cwd=settings.project)
        return None
    # A start may make healthy what is unhealthy; and what is called healthy may have been broken since its last check.
    verdicts = health.verdicts(before)
    names, lines = {service.name for service in starting}, list[str]()
    with ThreadPoolExecutor() as pool:
        broken = pool.submit(service_failure.broken, [one for one in before if one.service in names])
        try:
            changed = _start(command, settings.project, found, starting, asked.timeout, verdicts, lines)
        finally:
            if any(map(_VOLUME.search, lines)):
                stack_owner.remember(settings, preflight.volumes(found.name), volumes.result())
    if broken.result():
        wait.expect_served(one for one in containers.listed(project=found.name) if one.service in names)
    now = wait.until_healthy(found, starting, asked.timeout, verdicts)
    return Result(found, starting, now, time.monotonic() - began, changed)


def watch(settings: Settings, asked: Asked) -> None:
    """Send what is saved to the services of `asked`, which are up, until Ctrl-C. Raises CommandFailed, Interrupted."""
    compose = compose_project.open_project(settings, watched=True)
    secrets = {} if process.is_dry() else network.secrets(settings)
    command = compose.command(asked.profiles, "watch", "--no-up", *asked.services, secrets=secrets)
    process.live(command, cwd=settings.project)


def build(settings: Settings, asked: Asked) -> None:
    """Bring the images of what is `asked` up to date. Raises UnknownName, SettingsError, and what a build raises."""
    compose, _, chosen = _looked_at(settings, asked)
    _build(settings, compose, chosen, _targets(settings, chosen))


def _looked_at(settings: Settings, asked: Asked) -> tuple[Compose, Stack, tuple[Service, ...]]:
    """What the compose file says of what is `asked`."""
    compose = compose_project.open_project(settings, watched=asked.watched)
    found = compose_project.load(settings, compose)
    return compose, found, stack_model.choose(found, asked.profiles, asked.services)


def _fresh(settings: Settings, targets: Sequence[str]) -> bool:
    """Whether they are up to date, as far as can be said; what is wrong is found where they are built."""
    try:
        return bool(targets) and builds.is_up_to_date(settings, BuildRequest(tuple(targets)))
    except GoldiError:
        return False


def _targets(settings: Settings, chosen: Sequence[Service]) -> tuple[str, ...]:
    """The bake targets of services."""
    known = bakefile.load(settings)["target"]
    return tuple(dict.fromkeys(service.target for service in chosen if service.target in known))


def _foreign(starting: Sequence[Service], before: Sequence[Container]) -> list[str]:
    """Images that are not built here, and of which no container of the stack shows that they are there."""
    there = {container.image for container in before}
    return sorted({service.image for service in starting if not service.target} - there)


def _build(settings: Settings, compose: Compose, chosen: Sequence[Service], ours: Sequence[str]) -> None:
    """Bring up to date what is built here; bake's targets, `ours`, through our build, others through compose's."""
    if ours:
        builds.build(settings, BuildRequest(tuple(ours)), summary.show_if_built)
    if others := [service.name for service in chosen if service.target and service.target not in ours]:
        command = compose.command(("*",), "build", *others, secrets=network.secrets(settings))
        process.live(command, cwd=settings.project)


def _start(
    command: Command,
    project: Path,
    found: Stack,
    starting: Sequence[Service],
    timeout: float,
    verdicts: Mapping[str, datetime],
    lines: list[str],
) -> bool:
    """Run compose, show what it changes; all its `lines`, and whether that was anything.

    Compose gives up at once for a dependency that is unhealthy from before: that one gets the time to be healthy again.
    """
    ends, changed = time.monotonic() + timeout, False
    while True:
        heard = len(lines)
        try:
            return _run(command, project, found, lines) or changed
        except CommandFailed as error:
            said = lines[heard:]
            changed |= any(map(_is_done, said))
            waited = _unhealthy(said, found, verdicts)
            left = ends - time.monotonic()
            if waited is None or left <= 0:
                raise _reason(error, "\n".join(said), project, found, starting) from error
            print(f"  {waited.service} was unhealthy: waiting until it is not", flush=True)
            wait.until_healthy(found, [found.services[waited.service]], left, verdicts)


def _run(command: Command, project: Path, found: Stack, lines: list[str]) -> bool:
    """Run compose and show what it does; its `lines`. Whether it did anything.

    Raises CommandFailed, and StackFailed where a service that compose waits for dies.
    """
    rest, done, waited, looked = "", False, dict[str, str](), time.monotonic()
    try:
        with process.stream(command, cwd=project, quiet=True) as texts:
            for text in texts:
                *whole, rest = (rest + text).split("\n")
                lines += whole
                for line in filter(_is_done, whole):
                    print(f"  {' '.join(line.split())}", flush=True)
                    done = True
                waited |= {match[1]: match[2] for line in whole if (match := _WAITS.search(line))}
                names = [name for name, word in waited.items() if word == "Waiting"]
                if names and time.monotonic() - looked > _LOOK:
                    wait.expect_alive(one for one in containers.listed(project=found.name) if one.name in names)
                    looked = time.monotonic()
    finally:
        lines.append(rest)
    return done


def _is_done(line: str) -> bool:
    """Whether compose says that it did something."""
    return line.rstrip().endswith(_DONE)


def _unhealthy(lines: Sequence[str], found: Stack, verdicts: Mapping[str, datetime]) -> Container | None:
    """The container that compose gave up for, if it may be healthy again."""
    names = {match[1] for line in lines if (match := _GAVE_UP.search(line))}
    for one in containers.listed(project=found.name) if names else ():
        if one.name in names and one.id in verdicts and not wait.is_unhealthy(one, verdicts):
            return one
    return None


def _reason(error: CommandFailed, said: str, project: Path, found: Stack, starting: Sequence[Service]) -> GoldiError:
    """Why compose failed: a service that it waited for, or what it said itself."""
    if "dependency failed to start" in said or "didn't complete successfully" in said:
        by_name = {container.service: container for container in containers.listed(project=found.name)}
        for service in starting:
            container = by_name.get(service.name)
            if container and (container.health == "unhealthy" or container.code):
                return service_failure.of_container(container)
        return StackFailed(f"the stack did not start: {said.splitlines()[-1].strip()}", "See `inv compose.logs`")
    return compose_errors.explained(CommandFailed(said or error.problem, error.code), project)
