"""Build images with buildx bake, with caches that survive.

Each task imports the modules that it needs: those that build take 30 ms, which other namespaces do not need.
"""

import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context

from goldi_tasks import process
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.errors import NotAProject
from goldi_tasks.paths import TARGETS
from goldi_tasks.tasks._task import benchmark, load_settings, print_json, print_lines, print_result, task

_OPTIONS: dict[str, Any] = {
    "request": BuildRequest,
    "builds": True,
    "help": {"json": "Print the summary for scripts; the progress goes to standard error."},
}
_IMAGE: dict[str, Any] = {**_OPTIONS, "without": ("tag", "sbom")}
# invoke assigns short options in this order, which must not change.
_PUSH: dict[str, Any] = {
    **_OPTIONS,
    "first": ("tag", "platform", "cache_from", "sbom", "set", "no_cache", "pull", "keep_cache", "progress"),
    "without": ("push", "force"),
}


@task(**_IMAGE)
def prod(c: Context, *, json: bool = False, **options: Any) -> None:
    """Build the production image."""
    _build(("production",), options, json=json)


@task(**_IMAGE)
def dev(c: Context, *, json: bool = False, **options: Any) -> None:
    """Build what development needs: the tools and devcontainer images."""
    _build(("development",), options, json=json)


@task(**_IMAGE)
def tools(c: Context, *, json: bool = False, **options: Any) -> None:
    """Build the image that the checks run in."""
    _build(("tools",), options, json=json)


@task(**_IMAGE)
def devcontainer(c: Context, *, json: bool = False, **options: Any) -> None:
    """Build the dev container's image."""
    _build(("devcontainer",), options, json=json)


@task(name="all", **_IMAGE)
def all_(c: Context, *, json: bool = False, **options: Any) -> None:
    """Build every image."""
    _build(TARGETS, options, json=json)


@task(positional=["name"], **_IMAGE)
def target(c: Context, name: str, *, json: bool = False, **options: Any) -> None:
    """Build a target or group of the bake file by its name."""
    _build((name,), options, json=json)


@task(**{**_PUSH, "help": {**_PUSH["help"], "target": "The target or group that is built and pushed."}})
def push(c: Context, target: str = "production", *, json: bool = False, **options: Any) -> None:
    """Build an image and push it: with provenance, labels, and caches for those who build it next."""
    from goldi_tasks.bake import builds

    scanner = builds.find_scanner(load_settings()) if options["sbom"] else ""
    _build((target,), options, json=json, push=True, force=True, scanner=scanner)


@task(
    help={
        "target": "The target whose image is used: tools or devcontainer.",
        "command": "Run this command in place of a shell.",
        "logins": "Pass on the passwords and tokens of this machine's network too.",
    }
)
def shell(c: Context, target: str = "tools", command: str = "", logins: bool = False) -> None:
    """Open a shell in a built image, with the project and its caches mounted, as the caller's user."""
    from goldi_tasks import network
    from goldi_tasks.cache import cache_directories
    from goldi_tasks.client import run_arguments, system_info

    settings = load_settings()
    cache_directories.create_mount_directories(settings)
    argv = tuple(shlex.split(command)) or ("bash",)
    with network.file(settings, with_logins=logins) as secret_file:
        host, image = system_info.host(), f"{settings.image}:{target}"
        user = system_info.map_owner((host.uid, host.gid))
        process.run_in_terminal(run_arguments.run(settings, host, user, image, Path.cwd(), secret_file, argv))


@task(name="list", help={"json": "Print it for scripts."})
def list_(c: Context, json: bool = False) -> None:
    """List the targets and groups of the bake file."""
    from goldi_tasks.bake import bakefile, builds

    settings = load_settings()
    rows = bakefile.list_targets(settings, builds.variables(settings, BuildRequest(())))
    if json:
        print_json([{"name": name, "kind": kind, "of": members} for name, kind, members in rows])
        return
    for name, kind, members in rows:
        print(f"{name:<14} {kind:<7} {members}")


@task(name="print", help={"target": "A target or group."})
def print_(c: Context, target: str = "default") -> None:
    """Print what bake makes of the bake file for a target or group, as JSON."""
    from goldi_tasks.bake import builds

    settings = load_settings()
    print(process.capture(builds.print_command(settings, (target,)), cwd=settings.project), end="")


@task(
    help={
        "json": "Print it for scripts.",
        "number": "How many builds, newest first.",
        "show": "Print the record of the build with this id.",
    }
)
def history(c: Context, json: bool = False, number: int = 10, show: str = "") -> None:
    """List the last builds of this project: time, targets, result, duration, steps from the cache."""
    from goldi_tasks.bake import build_history

    settings = load_settings()
    if show:
        print_json(build_history.find_record(settings, show))
        return
    records = list(build_history.read_records(settings, number))
    print_result(records, build_history.format_records(records), json=json)


@task(
    help={
        "target": "The target whose image is measured.",
        "json": "Print it for scripts.",
        "top": "How many of the largest contents of each layer.",
    }
)
def size(c: Context, target: str = "production", json: bool = False, top: int = 5) -> None:
    """Show the size of an image by layer: bytes, the instruction that made it, and its largest contents."""
    from goldi_tasks.bake import image_size
    from goldi_tasks.bake.builders import configured

    settings = load_settings()
    with configured.use_builder(settings):
        image_size_report = image_size.measure(settings, target, top)
    print_result(image_size.as_json(image_size_report), image_size.table(image_size_report), json=json)


@task(
    name="bench",
    help={"json": "Print it for scripts.", "rounds": "How often everything is measured; medians are printed."},
)
def bench_(c: Context, json: bool = False, rounds: int = 5) -> None:
    """Measure builds of this project on this machine, in a copy, beside the guide's figures and plain docker."""
    from goldi_tasks.bake import build_benchmark
    from goldi_tasks.bake.build_benchmark import build_table

    settings = load_settings()
    dry_run_line = (
        f"would build the production image of a copy of {settings.project} {rounds} times in each of several ways"
    )
    benchmark(rounds, json, dry_run_line, lambda report: build_benchmark.measure(settings, rounds, report), build_table)


@task(
    help={
        "create": "Create the builder of the settings, or goldilocks-builder as in the guide.",
        "reset": "Remove the builder with its cache, and create it again.",
        "json": "Print it for scripts.",
    }
)
def builder(c: Context, create: bool = False, reset: bool = False, json: bool = False) -> None:
    """Show the builder in use, and whether it answers; create or reset it."""
    from goldi_tasks import settings as project
    from goldi_tasks.bake.builders import describe

    try:
        settings = load_settings()
    except NotAProject:
        settings = project.outside()
    if reset:
        describe.reset(settings, Path.cwd())
    elif create:
        describe.create(settings, Path.cwd())
    else:
        status = describe.describe_builder(settings)
        if json:
            print_json(status)
        else:
            print_lines(describe.format_description(status))
        if failure := describe.failure(status):
            raise failure


@task(
    help={
        "install": "Register QEMU for missing platforms, as root or through sudo. (With a registry in reach others use "
        "`docker run --privileged --rm tonistiigi/binfmt --install all`.)",
        "uninstall": "Remove what --install registered, and nothing else.",
        "json": "Print it for scripts.",
    }
)
def binfmt(c: Context, install: bool = False, uninstall: bool = False, json: bool = False) -> None:
    """Show which platforms run here, natively or emulated; install or remove emulation."""
    from goldi_tasks.engine import DEFAULT_PATHS, platforms
    from goldi_tasks.engine import binfmt as emulators

    # Progress is not part of the JSON.
    with redirect_stdout(sys.stderr if json else sys.stdout):
        if uninstall:
            emulators.uninstall(DEFAULT_PATHS)
        if install:
            emulators.install(DEFAULT_PATHS)
    platform_list = emulators.list_platforms()
    print_result(platforms.as_json(platform_list), platforms.format_platforms(platform_list), json=json)


def _build(targets: tuple[str, ...], options: dict[str, Any], *, json: bool, **values: Any) -> None:
    """Build `targets` with the `options` of the command line; `values` are further fields of the request."""
    from goldi_tasks.bake import builds, summary

    request = BuildRequest.from_options(targets, options, **values)
    summaries: list[summary.Summary] = []
    try:
        # Progress is not part of the JSON.
        with redirect_stdout(sys.stderr if json else sys.stdout):
            report = summaries.append if json else summary.show
            builds.build_targets(load_settings(), request, report, here=False)
    finally:
        for build_summary in summaries:
            print_json(summary.as_json(build_summary))


ns = Collection(
    "build",
    *(prod, dev, tools, devcontainer, all_, target, push, shell, list_, print_, builder, binfmt, history, size, bench_),
)
