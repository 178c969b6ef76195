"""The running stack: started, looked at, ended; everything else that compose can do is `compose.run`.

What does it is imported by the task that needs it: `exec` is to take no longer than it must.
"""

import json as json_
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context

from goldi_tasks import process
from goldi_tasks import settings as project
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, UnknownName
from goldi_tasks.settings import Settings
from goldi_tasks.tasks._consent import YES, confirm
from goldi_tasks.tasks._task import after_dashes, benchmark, task

_PROFILE = {"profile": "A profile of the compose file (default: dev); may be repeated."}
_SERVICES = {"service": "A service (default: all of the profile); may be repeated."}
_OPTIONS: dict[str, Any] = {"iterable": ["profile", "service"]}


@task(
    **_OPTIONS,
    builds=True,
    help={
        **_PROFILE,
        **_SERVICES,
        "timeout": "Seconds in which all has to be healthy.",
        "anew": "Make every container anew.",
        "json": "Print what is up for scripts; the progress goes to standard error.",
    },
)
def up(
    c: Context,
    profile: Sequence[str] | None = None,
    service: Sequence[str] | None = None,
    timeout: float = 120.0,
    anew: bool = False,
    json: bool = False,
) -> None:
    """Build what is stale, start the stack, wait until it is healthy, and say where to click."""
    from goldi_tasks.compose import status
    from goldi_tasks.compose import up as starting

    settings = project.load(Path.cwd())
    asked = starting.Asked(_profiles(profile), tuple(service or ()), _seconds(timeout), anew)
    if not json:
        result = starting.up(settings, asked)
    else:
        with redirect_stdout(sys.stderr):
            result = starting.up(settings, asked)
    if result and json:
        print(json_.dumps(status.as_json(result.services, result.containers), indent=2))
    elif result:
        for line in status.summary(result):
            print(line)


@task(help={"volumes": "Remove data volumes, too, after asking.", "yes": YES})
def down(c: Context, volumes: bool = False, yes: bool = False) -> None:
    """Stop the stack, whatever its profile, and remove what `up` made; data volumes stay."""
    from goldi_tasks.compose import down as ending

    settings = project.load(Path.cwd())
    agree = (lambda loss: confirm(loss, yes)) if volumes else None
    ending.down(settings, agree, agreed=yes)
    if not process.is_dry():
        print("the stack is down")


@task(**_OPTIONS, builds=True, help={**_PROFILE, **_SERVICES})
def build(c: Context, profile: Sequence[str] | None = None, service: Sequence[str] | None = None) -> None:
    """Build the images of a profile's services that are stale, as `build.*` does."""
    from goldi_tasks.compose import up as starting

    settings = project.load(Path.cwd())
    starting.build(settings, starting.Asked(_profiles(profile), tuple(service or ())))


@task(
    iterable=["service"],
    help={**_SERVICES, "follow": "Go on showing what comes.", "tail": "How many of the last lines of each."},
)
def logs(c: Context, service: Sequence[str] | None = None, follow: bool = False, tail: int = 100) -> None:
    """Show what services have written, also those that have ended."""
    flags = (*(("--follow",) if follow else ()), "--tail", str(tail))
    _compose("logs", *flags, *(service or ()), services=service or ())


@task(help={"json": "Print it for scripts."})
def ps(c: Context, json: bool = False) -> None:
    """List the containers of the stack: service, state, health, ports, image."""
    from goldi_tasks.compose import status

    settings = project.load(Path.cwd())
    rows = status.rows(settings)
    if json:
        print(json_.dumps(rows, indent=2))
        return
    for line in status.table(rows):
        print(line)


@task(help={"json": "Print it for scripts.", **_PROFILE}, iterable=["profile"])
def health(c: Context, json: bool = False, profile: Sequence[str] | None = None) -> None:
    """Say how each service is, with the last words of its check; fails unless all are healthy."""
    from goldi_tasks.compose import status

    settings = project.load(Path.cwd())
    rows = status.health(settings, _profiles(profile) if profile else ())
    if json:
        print(json_.dumps(rows, indent=2))
    else:
        for line in status.health_table(rows):
            print(line)
    status.expect_health(rows)


@task(name="exec", positional=["service"], help={"service": "A service that runs."})
def exec_(c: Context, service: str) -> None:
    """Run what stands after -- in a service's container; a shell if nothing does."""
    from goldi_tasks.compose import find_container
    from goldi_tasks.compose.compose_arguments import exec_in

    settings = project.load(Path.cwd())
    container = find_container.running(settings, service)
    argv = after_dashes() or ["sh", "-c", "exec $(command -v bash || echo sh)"]
    code = process.attend(exec_in(system_info.host(), container.id, argv))
    if code:
        raise CommandFailed(f"{argv[0]} in {service} ended with exit code {code}", code)


@task(**_OPTIONS, help={**_PROFILE, **_SERVICES})
def watch(c: Context, profile: Sequence[str] | None = None, service: Sequence[str] | None = None) -> None:
    """Start the stack with the source in its images, and send each file that is saved: where mounts are slow."""
    from goldi_tasks.compose import status
    from goldi_tasks.compose import up as starting

    settings = project.load(Path.cwd())
    asked = starting.Asked(_profiles(profile), tuple(service or ()), watched=True)
    if result := starting.up(settings, asked):
        for line in status.summary(result):
            print(line)
    starting.watch(settings, asked)


@task(**_OPTIONS, help=_PROFILE | {"json": "As JSON."})
def config(
    c: Context, profile: Sequence[str] | None = None, service: Sequence[str] | None = None, json: bool = False
) -> None:
    """Print what compose makes of the compose file for a profile."""
    flags = ("--format", "json") if json else ()
    _compose("config", *flags, *(service or ()), profiles=_profiles(profile), services=service or ())


@task(
    name="bench",
    help={"json": "Print it for scripts.", "rounds": "How often everything is measured; medians are told."},
)
def bench_(c: Context, json: bool = False, rounds: int = 5) -> None:
    """Measure the stack's tasks on this machine, beside docker's own commands, and the hot reload."""
    from goldi_tasks.benchmark import limits
    from goldi_tasks.compose import stack_benchmark

    settings = project.load(Path.cwd())
    would = f"would start the dev stack of {settings.project} and measure {rounds} times what it takes"
    benchmark(rounds, json, would, lambda tell: stack_benchmark.measure(settings, rounds, tell), limits)


@task(name="run", iterable=["profile"], help=_PROFILE)
def run_(c: Context, profile: Sequence[str] | None = None) -> None:
    """Run any command of docker compose: what stands after --, such as `-- top`."""
    from goldi_tasks import network
    from goldi_tasks.compose import compose_project, stack_model

    settings = project.load(Path.cwd())
    words = after_dashes()
    if not words:
        raise UnknownName("no command after --", "For example: `inv compose.run -- top`")
    profiles = _profiles(profile)
    compose = compose_project.open_project(settings)
    stack_model.choose(compose_project.load(settings, compose), profiles)
    # Whatever it is, it may build.
    _live(settings, compose.command(profiles, *words, secrets=network.secrets(settings)))


def _compose(*argv: str, profiles: Sequence[str] = ("*",), services: Sequence[str] = ()) -> None:
    from goldi_tasks.compose import compose_project, stack_model

    settings = project.load(Path.cwd())
    compose = compose_project.open_project(settings)
    found = compose_project.load(settings, compose)
    stack_model.known(found, services)
    if tuple(profiles) != ("*",):
        stack_model.choose(found, profiles)
    _live(settings, compose.command(profiles, *argv))


def _live(settings: Settings, command: Command) -> None:
    process.live(command, cwd=settings.project)


def _profiles(given: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(given or ("dev",))


def _seconds(timeout: float) -> float:
    if timeout <= 0:
        raise UnknownName("--timeout must be greater than 0")
    return timeout


ns = Collection("compose", up, down, build, logs, ps, exec_, watch, config, health, bench_, run_)
