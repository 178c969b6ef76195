"""The cache directories: make, look, clear."""

import json as json_
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context

from goldi_tasks import probe, run, wiring
from goldi_tasks import settings as project_settings
from goldi_tasks.cache import clear as clearing
from goldi_tasks.cache import dirs, place, report, sizes
from goldi_tasks.errors import Interrupted, NotAProject
from goldi_tasks.paths import Roots
from goldi_tasks.plan import engine as plan
from goldi_tasks.plan.images import base_images
from goldi_tasks.tasks._door import task


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


@task(help={"json": "Print it for scripts, sizes in bytes."})
def status(c: Context, json: bool = False) -> None:
    """Show every cache directory with its size."""
    found = sizes.measure(_roots())
    if json:
        print(json_.dumps([asdict(size) for size in found], default=str, indent=2))
        return
    for size in found:
        amount = f"{size.bytes / 1e6:10.1f} MB {size.files:8d} files" if size.exists else f"{'not there':>13} {'':14}"
        print(f"{size.name:<28}{amount}  {size.path}{sizes.remarks(size)}")
    print(f"{'all':<28}{sum(size.bytes for size in found) / 1e6:10.1f} MB {sum(size.files for size in found):8d} files")


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
    rows, done, images = clearing.rows(_roots(), chosen, key), 0, _images()
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
        "file": "Where to; - for standard output.",
        "name": "A cache by its name; may be repeated. Without it those that help a build and a check elsewhere.",
        "mounts": "Also the builder's cache mounts, of every Dockerfile of the project.",
        "project": "Only what this project has in caches that are kept apart by project.",
        "json": "Print what came of it for scripts.",
    },
)
def save(
    c: Context,
    file: str,
    name: Sequence[str] | None = None,
    mounts: bool = True,
    project: bool = False,
    json: bool = False,
) -> None:
    """Save caches and the builder's cache mounts to one file, from which cache.restore warms another machine."""
    from goldi_tasks.cache.archive import save as saving
    from goldi_tasks.cache.archive import told

    settings, names = project_settings.load(Path.cwd()), tuple(name or ())
    caches = clearing.chosen(names, every=False, project=project) if names else saving.usual(project)
    if run.is_dry():
        print(f"would save to {file}: {', '.join(cache.name for cache in caches)}{' and cache mounts' * mounts}")
        return
    builder = wiring.mounts(settings) if mounts else None
    found = saving.save(settings, caches, probe.host().platform, builder, file)
    lines = [json_.dumps(told.saved_json(found), indent=2)] if json else told.saved(found)
    for line in lines:
        print(line, file=sys.stderr if file == saving.STDOUT else sys.stdout)


@task(
    iterable=["name"],
    help={
        "file": "A file of cache.save. It is as trustworthy as who wrote it.",
        "name": "Of it only this cache; may be repeated.",
        "mounts": "Also the builder's cache mounts.",
        "json": "Print what came of it for scripts.",
    },
)
def restore(c: Context, file: str, name: Sequence[str] | None = None, mounts: bool = True, json: bool = False) -> None:
    """Replace caches by those in a file of cache.save, once all of it was found to be what it says."""
    from goldi_tasks.cache.archive import restore as restoring
    from goldi_tasks.cache.archive import told

    settings, names = project_settings.load(Path.cwd()), tuple(name or ())
    if names:
        clearing.chosen(names, every=False)  # raises for a name that there is not
    if run.is_dry():
        print(f"would restore {', '.join(names) or 'all caches'} from {file}")
        return
    builder = wiring.mounts(settings) if mounts else None
    found = restoring.restore(settings, names, probe.host().platform, builder, Path(file))
    lines = [json_.dumps(told.restored_json(found, file), indent=2)] if json else told.restored(found, file)
    for line in lines:
        print(line)


@task(help={"json": "Print it with what older keys begin with, for scripts."})
def key(c: Context, json: bool = False) -> None:
    """Print a key for a CI's cache step, from the project's lock files and Dockerfile."""
    from goldi_tasks.cache.archive import locks
    from goldi_tasks.plan import key as plan_key

    settings, platform = project_settings.load(Path.cwd()), probe.host().platform
    files = locks.read(settings)
    found = plan_key.key(platform, base_images(settings, settings.made_images), files)
    if json:
        told = {"key": found, "restore_keys": [plan_key.prefix(platform)], "files": sorted(files)}
        print(json_.dumps(told, indent=2))
    else:
        print(found)


def _finish(rows: Sequence[clearing.Row], *, dry: bool, json: bool, interrupted: bool = False) -> None:
    _say([report.total(rows, dry=dry)], json)
    if json:
        print(json_.dumps(report.as_json(rows, dry=dry, interrupted=interrupted), indent=2))


def _say(lines: Iterable[str], json: bool) -> None:
    for line in lines:
        print(line, file=sys.stderr if json else sys.stdout, flush=True)


def _images() -> tuple[str, ...]:
    """Images with Python that may be there: the project's tools, its base, and what `engine.up` makes."""
    try:
        settings = project_settings.load(Path.cwd())
    except NotAProject:
        return (plan.IMAGES["PYTHON_IMAGE"].name,)
    base = base_images(settings, settings.made_images)["PYTHON_IMAGE"]
    return tuple(dict.fromkeys((f"{settings.image}:tools", base, plan.IMAGES["PYTHON_IMAGE"].name)))


def _set_up_project() -> None:
    """The project's own part, where there is a project that builds."""
    with suppress(NotAProject):
        settings = project_settings.load(Path.cwd())
        if settings.env_file.parent.is_dir():
            wiring.set_up(settings)


def _roots() -> Roots:
    """Where the caches lie; outside a project too, since the directories are the machine's."""
    try:
        return project_settings.load(Path.cwd()).roots
    except NotAProject:
        return project_settings.outside().roots


ns = Collection("cache", setup, status, clear, save, restore, key)
