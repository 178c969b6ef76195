"""Build images with buildx bake, with caches that survive.

What builds is imported by the task that needs it: 30 ms that no other namespace has a use for.
"""

import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, TextIO

from invoke.collection import Collection
from invoke.context import Context

from goldi_tasks import probe, rootless, run, wiring
from goldi_tasks import settings as project
from goldi_tasks.errors import NotAProject
from goldi_tasks.paths import TARGETS
from goldi_tasks.plan.bake import Wanted, check_from, check_tag
from goldi_tasks.tasks._door import benchmark, task

_OPTIONS: dict[str, Any] = {
    "iterable": ["set", "cache_from"],
    "help": {
        "no_cache": "Run every step, take nothing from a cache.",
        "set": "Override a target's value as bake does, TARGET.KEY=VALUE; may be repeated.",
        "platform": "Platforms, such as linux/amd64,linux/arm64; the engine's own by default.",
        "push": "Push the images to their registry, as build.push does.",
        "cache_from": "A cache to read beside ours, such as type=registry,ref=HOST/NAME:TAG; may be repeated.",
        "pull": "Look for newer base images.",
        "force": "Ask the builder even if nothing changed.",
        "keep_cache": "Export the local cache even if little is new in it.",
        "progress": "How the work is shown: auto, tty (live), plain, quiet or rawjson (buildx's own events).",
        "json": "Print the summary for scripts; the progress goes to standard error.",
    },
}


def _build(targets: tuple[str, ...], options: dict[str, Any]) -> None:
    """What every build task calls, with its own locals as `options`."""
    settings = project.load(Path.cwd())
    platforms = tuple(part.strip() for part in options["platform"].split(",") if part.strip())
    wanted = Wanted(
        targets=targets,
        no_cache=options["no_cache"],
        sets=tuple(options["set"] or ()),
        platforms=platforms,
        push=options["push"],
        pull=options["pull"],
        force=options["force"] or options["keep_cache"],
        keep_cache=options["keep_cache"],
        progress=options["progress"],
        tags=tuple(map(check_tag, options.get("tag") or ())),
        cache_from=tuple(map(check_from, options["cache_from"] or ())),
        scanner=wiring.scanner(settings) if options.get("sbom") else "",
    )

    if not options["json"]:
        wiring.build(settings, wanted, here=False)
        return
    from goldi_tasks.build import summary

    out = sys.stdout
    # Whatever else is said on the way is not for scripts.
    with redirect_stdout(sys.stderr):
        wiring.build(settings, wanted, lambda found: _print_json(summary.as_json(found), out), here=False)


def _task(name: str, targets: tuple[str, ...], doc: str) -> Any:
    """A task that builds `targets`; these tasks differ in nothing else."""

    def body(
        c: Context,
        no_cache: bool = False,
        set: Sequence[str] | None = None,
        platform: str = "",
        push: bool = False,
        cache_from: Sequence[str] | None = None,
        pull: bool = False,
        force: bool = False,
        keep_cache: bool = False,
        progress: str = "auto",
        json: bool = False,
    ) -> None:
        _build(targets, locals())

    body.__doc__ = doc
    return task(name=name, **_OPTIONS)(body)


prod = _task("prod", ("production",), "Build the production image.")
dev = _task("dev", ("development",), "Build what development needs: the tools and devcontainer images.")
tools = _task("tools", ("tools",), "Build the image that the checks run in.")
devcontainer = _task("devcontainer", ("devcontainer",), "Build the dev container's image.")
every = _task("all", TARGETS, "Build every image.")


@task(name="target", positional=["name"], **_OPTIONS)
def target(
    c: Context,
    name: str,
    no_cache: bool = False,
    set: Sequence[str] | None = None,
    platform: str = "",
    push: bool = False,
    cache_from: Sequence[str] | None = None,
    pull: bool = False,
    force: bool = False,
    keep_cache: bool = False,
    progress: str = "auto",
    json: bool = False,
) -> None:
    """Build a target or group of the bake file by its name."""
    _build((name,), locals())


@task(
    iterable=["set", "cache_from", "tag"],
    help={
        **{name: text for name, text in _OPTIONS["help"].items() if name not in ("push", "force")},
        "target": "The target or group that is built and pushed.",
        "tag": "A tag instead of the bake file's; may be repeated.",
        "sbom": "List the packages in an attestation, where the image that does it can be had.",
    },
)
def push(
    c: Context,
    target: str = "production",
    tag: Sequence[str] | None = None,
    platform: str = "",
    cache_from: Sequence[str] | None = None,
    sbom: bool = True,
    set: Sequence[str] | None = None,
    no_cache: bool = False,
    pull: bool = False,
    keep_cache: bool = False,
    progress: str = "auto",
    json: bool = False,
) -> None:
    """Build an image and push it: with provenance, labels, and caches for those who build it next."""
    _build((target,), {**locals(), "push": True, "force": True})


@task(help={"target": "The target whose image is used: tools or devcontainer.", "command": "Run this and end."})
def shell(c: Context, target: str = "tools", command: str = "") -> None:
    """Open a shell in a built image, with the project and its caches mounted, as the caller's user."""
    from goldi_tasks.build import network
    from goldi_tasks.plan import container

    settings = project.load(Path.cwd())
    wiring.prepare_mounts(settings)
    argv = tuple(shlex.split(command)) or ("bash",)
    with network.file(settings) as told:
        host, image = probe.host(), f"{settings.image}:{target}"
        user = rootless.numbers((host.uid, host.gid))
        run.live(container.run(settings, host, user, image, Path.cwd(), told, argv))


@task(name="list", help={"json": "Print it for scripts."})
def list_(c: Context, json: bool = False) -> None:
    """List the targets and groups of the bake file."""
    from goldi_tasks.build import bakefile

    rows = bakefile.listing(project.load(Path.cwd()))
    if json:
        _print_json([{"name": name, "kind": kind, "of": of} for name, kind, of in rows])
        return
    for name, kind, of in rows:
        print(f"{name:<14} {kind:<7} {of}")


@task(name="print", help={"target": "A target or group."})
def print_(c: Context, target: str = "default") -> None:
    """Print what bake makes of the bake file for a target or group, as JSON."""
    from goldi_tasks.build import bake

    settings = project.load(Path.cwd())
    print(run.capture(bake.shown(settings, (target,)), cwd=settings.project), end="")


@task(
    help={
        "create": "Create it: the one that the settings choose, or goldilocks-builder as the guide does.",
        "reset": "Remove it with its cache, and create it.",
        "json": "Print it for scripts.",
    }
)
def builder(c: Context, create: bool = False, reset: bool = False, json: bool = False) -> None:
    """Show the builder in use, and whether it answers; create or reset it."""
    from goldi_tasks.build import builder as buildx_builder

    try:
        settings = project.load(Path.cwd())
    except NotAProject:
        settings = project.outside()
    if reset:
        buildx_builder.reset(settings, Path.cwd())
    elif create:
        buildx_builder.create(settings, Path.cwd())
    elif json:
        _print_json(buildx_builder.found(settings))
    else:
        for line in buildx_builder.lines(buildx_builder.found(settings)):
            print(line)


@task(
    help={
        "install": "Register QEMU for what is missing, as root or through sudo. (With a registry in reach others use "
        "`docker run --privileged --rm tonistiigi/binfmt --install all`.)",
        "uninstall": "Remove what --install registered, and nothing else.",
        "json": "Print it for scripts.",
    }
)
def binfmt(c: Context, install: bool = False, uninstall: bool = False, json: bool = False) -> None:
    """Show which platforms run here, natively or emulated; set emulation up, or remove it."""
    from goldi_tasks.engine import HERE
    from goldi_tasks.engine import binfmt as emulators
    from goldi_tasks.plan import platforms

    # What is said on the way is not for scripts.
    with redirect_stdout(sys.stderr if json else sys.stdout):
        if uninstall:
            emulators.uninstall(HERE)
        if install:
            emulators.install(HERE)
    found = emulators.found()
    if json:
        _print_json(platforms.as_json(found))
        return
    for line in platforms.lines(found):
        print(line)


@task(
    help={
        "json": "Print it for scripts.",
        "number": "How many builds, newest first.",
        "show": "Print all that is known of the build with this id.",
    }
)
def history(c: Context, json: bool = False, number: int = 10, show: str = "") -> None:
    """List the last builds of this project: when, what, how it ended, how long, steps from the cache."""
    from goldi_tasks.build import record

    settings = project.load(Path.cwd())
    if show:
        _print_json(record.one(settings, show))
        return
    records = list(record.history(settings, number))
    if json:
        _print_json(records)
        return
    for line in record.table(records):
        print(line)


@task(
    name="bench",
    help={"json": "Print it for scripts.", "rounds": "How often everything is measured; medians are told."},
)
def bench_(c: Context, json: bool = False, rounds: int = 5) -> None:
    """Measure builds of this project on this machine, in a copy, beside the guide's figures and plain docker."""
    from goldi_tasks.build import bench
    from goldi_tasks.build.bench import table

    settings = project.load(Path.cwd())
    would = f"would build the production image of a copy of {settings.project} {rounds} times in each of several ways"
    benchmark(rounds, json, would, lambda tell: bench.measure(settings, rounds, tell), table)


@task(
    help={
        "target": "The target whose image is measured.",
        "json": "Print it for scripts.",
        "top": "How many of the largest contents of each layer.",
    }
)
def size(c: Context, target: str = "production", json: bool = False, top: int = 5) -> None:
    """Say what an image costs: by layer the bytes, the instruction that made it, and what is in it."""
    from goldi_tasks.build import elsewhere
    from goldi_tasks.build import size as image_size

    settings = project.load(Path.cwd())
    with elsewhere.at(settings):
        found = image_size.measure(settings, target, top)
    if json:
        _print_json(image_size.as_json(found))
        return
    for line in image_size.table(found):
        print(line)


def _print_json(value: object, out: TextIO | None = None) -> None:
    print(json.dumps(value, indent=2), file=out)


ns = Collection(
    "build",
    prod,
    dev,
    tools,
    devcontainer,
    every,
    target,
    push,
    shell,
    list_,
    print_,
    builder,
    binfmt,
    history,
    size,
    bench_,
)
