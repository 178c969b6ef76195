"""The cache directories: make, look, clear."""

import json as json_
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context

from goldi_tasks import run, wiring
from goldi_tasks import settings as project_settings
from goldi_tasks.cache import clear as clearing
from goldi_tasks.cache import dirs, place, report, sizes
from goldi_tasks.errors import Interrupted, NotAProject
from goldi_tasks.paths import Roots
from goldi_tasks.plan import engine as plan
from goldi_tasks.plan.images import base_images
from goldi_tasks.settings import Settings
from goldi_tasks.tasks._door import task


@task()
def setup(c: Context) -> None:
    """Make every cache directory, and write down for compose where they are; may be run again at any time."""
    roots = _roots()
    where = ", ".join([str(roots.root), *(f"{name} in {root}" for name, root in roots.others.items())])
    if run.is_dry():
        print(f"would make the cache directories in {where}")
        return
    dirs.set_up(roots)
    _set_up_project()
    for warning in place.warnings(roots):
        print(f"goldi: {warning}")
    print(f"cache directories are ready in {where}")


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
    help={
        "fix": "Do what is safe in directories of ours and in .env, say what, and look again.",
        "json": "Print it for scripts; what was fixed goes to standard error.",
    }
)
def doctor(c: Context, fix: bool = False, json: bool = False) -> None:
    """Look for what caches suffer from, and say what to do about each; exit code 21 if there is more than notes."""
    # Imported here: 20 ms that no other task has a use for.
    from goldi_tasks.cache.doctor import ask, finding, judge, mend

    settings = _settings()
    found = judge(ask.everything(_roots(), settings))
    if fix:
        done = mend.mend(found, _roots(), _images(), _set_up_project, dry=run.is_dry())
        _say((f"fixed: {line}" if not line.startswith(("could", "would")) else line for line in done), json)
        found = judge(ask.everything(_roots(), settings)) if not run.is_dry() else found
    if json:
        healthy = finding.failure(found) is None
        told = {"healthy": healthy, "project": settings is not None, "findings": finding.as_json(found)}
        print(json_.dumps(told, indent=2))
    else:
        _say(finding.lines(found), json)
        if settings is None:
            print("there is no project here: its .env, its volumes and its base images were not looked at")
    if failure := finding.failure(found):
        raise failure


def _settings() -> Settings | None:
    """The project's settings; None outside one."""
    with suppress(NotAProject):
        return project_settings.load(Path.cwd())
    return None


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


ns = Collection("cache", setup, status, verify, clear, doctor)
