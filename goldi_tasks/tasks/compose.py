"""Start, inspect and stop the stack; `compose.run` runs any other command of compose.

Each task imports the modules that it needs, to keep `exec` fast.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.context import Context

from goldi_tasks import process
from goldi_tasks.errors import CommandFailed, UnknownName
from goldi_tasks.tasks._consent import YES, confirm
from goldi_tasks.tasks._task import after_dashes, benchmark, load_settings, print_json, print_lines, print_result, task

if TYPE_CHECKING:
    from goldi_tasks.command import Command
    from goldi_tasks.settings import Settings

_PROFILE = {"profile": "A profile of the compose file (default: dev); may be repeated."}
_SERVICES = {"service": "A service (default: all of the profile); may be repeated."}
_OPTIONS: dict[str, Any] = {"iterable": ["profile", "service"]}


@task(
    **_OPTIONS,
    builds=True,
    help={
        **_PROFILE,
        **_SERVICES,
        "timeout": "Seconds within which all services must be healthy.",
        "anew": "The old name of --force-recreate, until the next minor release.",
        "json": "Print the services for scripts; the progress goes to standard error.",
        "force_recreate": "Recreate every container.",
    },
)
def up(
    c: Context,
    profile: Sequence[str] | None = None,
    service: Sequence[str] | None = None,
    timeout: float = 120.0,
    anew: bool = False,
    json: bool = False,
    force_recreate: bool = False,
) -> None:
    """Build stale images, start the stack, wait until it is healthy, and print its addresses."""
    from goldi_tasks.compose import status
    from goldi_tasks.compose import up as starting

    if anew:
        print("goldi: --anew is deprecated: its new name is --force-recreate", file=sys.stderr)
    recreate = force_recreate or anew
    request = starting.StartRequest(_profiles(profile), tuple(service or ()), _seconds(timeout), recreate)
    with redirect_stdout(sys.stderr if json else sys.stdout):
        stack = starting.up(load_settings(), request)
    if stack and json:
        print_json(status.as_json(stack.services, stack.containers))
    elif stack:
        print_lines(status.summary(stack))


@task(help={"volumes": "Remove data volumes, too, after asking.", "yes": YES})
def down(c: Context, volumes: bool = False, yes: bool = False) -> None:
    """Stop the stack with all profiles, and remove what `up` created; data volumes stay."""
    from goldi_tasks.compose import down as ending

    settings = load_settings()
    ask_for_consent = (lambda loss: confirm(loss, yes)) if volumes else None
    ending.down(settings, ask_for_consent, agreed=yes)
    if not process.is_dry():
        print("the stack is down")


@task(**_OPTIONS, builds=True, help={**_PROFILE, **_SERVICES})
def build(c: Context, profile: Sequence[str] | None = None, service: Sequence[str] | None = None) -> None:
    """Build the stale images of a profile's services, as `build.*` does."""
    from goldi_tasks.compose import up as starting

    settings = load_settings()
    starting.build_services(settings, starting.StartRequest(_profiles(profile), tuple(service or ())))


@task(
    iterable=["service"],
    help={**_SERVICES, "follow": "Follow the output.", "tail": "How many of the last lines of each service."},
)
def logs(c: Context, service: Sequence[str] | None = None, follow: bool = False, tail: int = 100) -> None:
    """Show the output of services, also of those that have ended."""
    flags = (*(("--follow",) if follow else ()), "--tail", str(tail))
    _compose("logs", *flags, *(service or ()), services=service or ())


@task(help={"json": "Print it for scripts."})
def ps(c: Context, json: bool = False) -> None:
    """List the containers of the stack: service, state, health, ports, image."""
    from goldi_tasks.compose import status

    settings = load_settings()
    rows = status.list_containers(settings)
    print_result(rows, status.format_containers(rows), json=json)


@task(help={"json": "Print it for scripts.", **_PROFILE}, iterable=["profile"])
def health(c: Context, json: bool = False, profile: Sequence[str] | None = None) -> None:
    """Show the health of each service, with the last output of its check; fails unless all are healthy."""
    from goldi_tasks.compose import status

    settings = load_settings()
    rows = status.list_health(settings, _profiles(profile) if profile else ())
    print_result(rows, status.format_health(rows), json=json)
    status.expect_health(rows)


@task(name="exec", positional=["service"], help={"service": "A service that runs."})
def exec_(c: Context, service: str) -> None:
    """Run the command after -- in a service's container; without one open a shell."""
    from goldi_tasks.client import system_info
    from goldi_tasks.compose import containers
    from goldi_tasks.compose.compose_arguments import exec_in

    settings = load_settings()
    container = containers.find_running(settings, service)
    argv = after_dashes() or ["sh", "-c", "exec $(command -v bash || echo sh)"]
    code = process.run_interruptible(exec_in(system_info.host(), container.id, argv))
    if code:
        raise CommandFailed(f"{argv[0]} in {service} ended with exit code {code}", code)


@task(**_OPTIONS, help={**_PROFILE, **_SERVICES})
def watch(c: Context, profile: Sequence[str] | None = None, service: Sequence[str] | None = None) -> None:
    """Start the stack with the source in its images, and copy each saved file to it: for slow bind mounts."""
    from goldi_tasks.compose import status
    from goldi_tasks.compose import up as starting

    settings = load_settings()
    request = starting.StartRequest(_profiles(profile), tuple(service or ()), watched=True)
    if stack := starting.up(settings, request):
        print_lines(status.summary(stack))
    starting.watch_services(settings, request)


@task(**_OPTIONS, help=_PROFILE | {"json": "As JSON."})
def config(
    c: Context, profile: Sequence[str] | None = None, service: Sequence[str] | None = None, json: bool = False
) -> None:
    """Print the compose file as compose resolves it for a profile."""
    flags = ("--format", "json") if json else ()
    _compose("config", *flags, *(service or ()), profiles=_profiles(profile), services=service or ())


@task(
    name="bench",
    help={"json": "Print it for scripts.", "rounds": "How often everything is measured; medians are printed."},
)
def bench_(c: Context, json: bool = False, rounds: int = 5) -> None:
    """Measure the stack's tasks on this machine, beside docker's own commands, and the hot reload."""
    from goldi_tasks.benchmark import limits
    from goldi_tasks.compose import stack_benchmark

    settings = load_settings()
    dry_run_line = f"would start the dev stack of {settings.project} and measure it {rounds} times"
    benchmark(rounds, json, dry_run_line, lambda report: stack_benchmark.measure(settings, rounds, report), limits)


@task(name="run", iterable=["profile"], help=_PROFILE)
def run_(c: Context, profile: Sequence[str] | None = None) -> None:
    """Run any command of docker compose, given after --, such as `-- top`."""
    from goldi_tasks import network
    from goldi_tasks.compose import compose_project, stack_model

    settings = load_settings()
    argv = after_dashes()
    if not argv:
        raise UnknownName("no command after --", "For example: `inv compose.run -- top`")
    profiles = _profiles(profile)
    compose = compose_project.open_project(settings)
    stack_model.select_services(compose_project.load(settings, compose), profiles)
    # The command may build images.
    _live(settings, compose.command(profiles, *argv, secrets=network.secrets(settings)))


def _compose(*argv: str, profiles: Sequence[str] = ("*",), services: Sequence[str] = ()) -> None:
    from goldi_tasks.compose import compose_project, stack_model

    settings = load_settings()
    compose = compose_project.open_project(settings)
    model = compose_project.load(settings, compose)
    stack_model.expect_services(model, services)
    if tuple(profiles) != ("*",):
        stack_model.select_services(model, profiles)
    _live(settings, compose.command(profiles, *argv))


def _live(settings: Settings, command: Command) -> None:
    process.run_in_terminal(command, cwd=settings.project)


def _profiles(profiles: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(profiles or ("dev",))


def _seconds(timeout: float) -> float:
    if timeout <= 0:
        raise UnknownName("--timeout must be greater than 0")
    return timeout


ns = Collection("compose", up, down, build, logs, ps, exec_, watch, config, health, bench_, run_)
