"""Look at the bake file, at what was built, and into it."""

import shlex
from pathlib import Path

from invoke.context import Context

from goldi_tasks import process, wiring
from goldi_tasks import settings as project
from goldi_tasks.client import rootless, system_info
from goldi_tasks.tasks._task import benchmark, task
from goldi_tasks.tasks.build._json import print_json


@task(
    help={
        "target": "The target whose image is used: tools or devcontainer.",
        "command": "Run this and end.",
        "logins": "Hand over the passwords and tokens of this machine's network too.",
    }
)
def shell(c: Context, target: str = "tools", command: str = "", logins: bool = False) -> None:
    """Open a shell in a built image, with the project and its caches mounted, as the caller's user."""
    from goldi_tasks import network
    from goldi_tasks.client import run_arguments

    settings = project.load(Path.cwd())
    wiring.prepare_mounts(settings)
    argv = tuple(shlex.split(command)) or ("bash",)
    with network.file(settings, with_logins=logins) as told:
        host, image = system_info.host(), f"{settings.image}:{target}"
        user = rootless.numbers((host.uid, host.gid))
        process.live(run_arguments.run(settings, host, user, image, Path.cwd(), told, argv))


@task(name="list", help={"json": "Print it for scripts."})
def list_(c: Context, json: bool = False) -> None:
    """List the targets and groups of the bake file."""
    from goldi_tasks.bake import bakefile, builds
    from goldi_tasks.bake.build_request import Wanted

    settings = project.load(Path.cwd())
    rows = bakefile.listing(settings, builds.environment(settings, Wanted(())))
    if json:
        print_json([{"name": name, "kind": kind, "of": of} for name, kind, of in rows])
        return
    for name, kind, of in rows:
        print(f"{name:<14} {kind:<7} {of}")


@task(name="print", help={"target": "A target or group."})
def print_(c: Context, target: str = "default") -> None:
    """Print what bake makes of the bake file for a target or group, as JSON."""
    from goldi_tasks.bake import builds

    settings = project.load(Path.cwd())
    print(process.capture(builds.shown(settings, (target,)), cwd=settings.project), end="")


@task(
    help={
        "json": "Print it for scripts.",
        "number": "How many builds, newest first.",
        "show": "Print all that is known of the build with this id.",
    }
)
def history(c: Context, json: bool = False, number: int = 10, show: str = "") -> None:
    """List the last builds of this project: when, what, how it ended, how long, steps from the cache."""
    from goldi_tasks.bake import build_history

    settings = project.load(Path.cwd())
    if show:
        print_json(build_history.one(settings, show))
        return
    records = list(build_history.history(settings, number))
    if json:
        print_json(records)
        return
    for line in build_history.table(records):
        print(line)


@task(
    help={
        "target": "The target whose image is measured.",
        "json": "Print it for scripts.",
        "top": "How many of the largest contents of each layer.",
    }
)
def size(c: Context, target: str = "production", json: bool = False, top: int = 5) -> None:
    """Say what an image costs: by layer the bytes, the instruction that made it, and what is in it."""
    from goldi_tasks.bake import image_size
    from goldi_tasks.bake.builders import configured

    settings = project.load(Path.cwd())
    with configured.at(settings):
        found = image_size.measure(settings, target, top)
    if json:
        print_json(image_size.as_json(found))
        return
    for line in image_size.table(found):
        print(line)


@task(
    name="bench",
    help={"json": "Print it for scripts.", "rounds": "How often everything is measured; medians are told."},
)
def bench_(c: Context, json: bool = False, rounds: int = 5) -> None:
    """Measure builds of this project on this machine, in a copy, beside the guide's figures and plain docker."""
    from goldi_tasks.bake import build_benchmark
    from goldi_tasks.bake.build_benchmark import build_table

    settings = project.load(Path.cwd())
    would = f"would build the production image of a copy of {settings.project} {rounds} times in each of several ways"
    benchmark(rounds, json, would, lambda tell: build_benchmark.measure(settings, rounds, tell), build_table)
