"""The cache directories: make, look, clear."""

import json as json_
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context

from goldi_tasks import run, wiring
from goldi_tasks import settings as project_settings
from goldi_tasks.cache import clear as clearing
from goldi_tasks.cache import dirs, place, report
from goldi_tasks.errors import Interrupted, NotAProject
from goldi_tasks.paths import Roots
from goldi_tasks.settings import Settings
from goldi_tasks.tasks._door import benchmark, task


@task()
def setup(c: Context) -> None:
    """Make every cache directory, and write down for compose where they are; may be run again at any time."""
    root = _roots().root
    if run.is_dry():
        print(f"would make the cache directories in {root}")
        return
    dirs.set_up(root)
    _set_up_project()
    for warning in place.warnings(root):
        print(f"goldi: {warning}")
    print(f"cache directories are ready in {root}")


@task(
    help={
        "verbose": "Show what each project has, too.",
        "json": "Print it for scripts: caches (each with its projects), builder (with its cache mounts; null where no "
        "engine answers), remarks; sizes in bytes, times in ISO 8601.",
    }
)
def status(c: Context, verbose: bool = False, json: bool = False) -> None:
    """Show every cache directory, the builder's store and its cache mounts: size, files, last use, free space.

    Files are counted by name. A last use is the newest change, or when goldi last handed the directory to a build or a
    container, to half an hour; to look at it is no use.
    """
    from goldi_tasks.cache import show
    from goldi_tasks.cache import status as looking

    found, store, remark = looking.look(_roots())
    if json:
        print(json_.dumps(show.as_json(found, store, remark), indent=2))
    else:
        show.show(found, store, remark, time.time(), verbose=verbose)


@task(
    iterable=["name"],
    help={
        "name": "A cache by its name; may be repeated.",
        "all": "All of them.",
        "project": "Only what this project has in those that are kept apart by project.",
        "dry-run": "Say what would be freed and what would be left alone, and change nothing.",
        "json": "Print it for scripts, sizes in bytes; the lines for people go to standard error.",
    },
)
def clear(
    c: Context,
    name: Sequence[str] | None = None,
    all: bool = False,
    project: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Empty cache directories, by name or all; what is not ours is left alone."""
    dry, key = dry_run or run.is_dry(), project_settings.load(Path.cwd()).key if project else ""
    chosen = clearing.chosen(tuple(name or ()), every=all, project=project)
    rows, done, images = clearing.rows(_roots(), chosen, key), 0, wiring.pythons(_project())
    try:
        for row in rows:
            done += 1
            try:
                clearing.clear(row, images, dry=dry)
            finally:
                _say(report.lines(row, dry=dry), json)
    except (KeyboardInterrupt, Interrupted):
        _finish(rows[:done], dry=dry, json=json, interrupted=True)
        raise Interrupted from None
    _finish(rows, dry=dry, json=json)
    if not dry and (failure := report.failure(rows)):
        raise failure


@task(
    iterable=["name"],
    help={
        "age": "Remove what was not used for so long, such as 30d; max-age of the settings if not given, 0: none.",
        "size": "Remove what was not used longest until the rest is no more, such as 20GB; max-size if not given.",
        "name": "Only a cache by its name; may be repeated. The builder, and notes of projects, are left out then.",
        "builder": "Let `docker buildx prune` do the same with the builder's store, by itself.",
        "dry-run": "Say what would go and why, and change nothing.",
        "json": "Print it for scripts: rows (each with what, why, bytes, freed, kept, failed), freed, over, remarks; "
        "the lines for people go to standard error.",
    },
)
def prune(
    c: Context,
    age: str | None = None,
    size: str | None = None,
    name: Sequence[str] | None = None,
    builder: bool = True,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Remove what was not used for long, and what is too much: it shows what and why, then does it.

    In caches that projects share the tool's own command does it; else the whole directories of projects go, and what
    was noted of them. The current project's stay unless their cache is named, and so does what was used within an
    hour or is mounted in a running container. It waits until no build and no check runs.
    """
    from goldi_tasks.tasks import _prune

    _prune.prune(_project(), age, size, tuple(name or ()), builder=builder, dry=dry_run or run.is_dry(), json=json)


@task(
    help={
        "dry-run": "Say what is bad, change nothing, and fail if anything is.",
        "json": "Print it for scripts; the progress goes to standard error.",
    }
)
def verify(c: Context, dry_run: bool = False, json: bool = False) -> None:
    """Check every blob of the local build caches against its digest, and drop the caches that are damaged."""
    from goldi_tasks.cache.local import check

    dry = dry_run or run.is_dry()
    found = check.run(_roots(), dry=dry)
    if json:
        print(json_.dumps([one.as_json() for one in found], indent=2))
    else:
        for line in check.lines(found):
            print(line)
    if failure := check.failure(found, dry=dry):
        raise failure


@task(
    name="bench",
    help={
        "json": "Print it for scripts.",
        "rounds": "How often everything is measured; medians are told.",
        "files": "How many files are looked at.",
    },
)
def bench_(c: Context, json: bool = False, rounds: int = 5, files: int = 200_000) -> None:
    """Measure `cache.status` over many files on this machine, beside `du -s`."""
    from goldi_tasks.bench import limits
    from goldi_tasks.cache import bench

    would = f"would make {files} files in a temporary directory and look at them {rounds} times"
    benchmark(rounds, json, would, lambda tell: bench.measure(files, rounds, tell), limits)


def _finish(rows: Sequence[clearing.Row], *, dry: bool, json: bool, interrupted: bool = False) -> None:
    _say([report.total(rows, dry=dry)], json)
    if json:
        print(json_.dumps(report.as_json(rows, dry=dry, interrupted=interrupted), indent=2))


def _say(lines: Iterable[str], json: bool) -> None:
    for line in lines:
        print(line, file=sys.stderr if json else sys.stdout, flush=True)


def _set_up_project() -> None:
    """The project's own part, where there is a project that builds."""
    with suppress(NotAProject):
        settings = project_settings.load(Path.cwd())
        if settings.env_file.parent.is_dir():
            wiring.set_up(settings)


def _project() -> Settings | None:
    """The settings of the project, None where there is none."""
    try:
        return project_settings.load(Path.cwd())
    except NotAProject:
        return None


def _roots() -> Roots:
    """Where the caches lie; outside a project too, since the directories are the machine's."""
    return (_project() or project_settings.outside()).roots


ns = Collection("cache", setup, status, verify, clear, prune, bench_)
