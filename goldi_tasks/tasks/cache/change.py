"""Make the caches, and make them smaller."""

import json as json_
from collections.abc import Sequence
from pathlib import Path

from invoke.context import Context

from goldi_tasks import inside_container, process, wiring
from goldi_tasks import settings as project_settings
from goldi_tasks.cache import cache_directories, file_system
from goldi_tasks.errors import Interrupted
from goldi_tasks.maintenance import clear_caches, clear_report
from goldi_tasks.tasks._task import task
from goldi_tasks.tasks.cache import _here


@task()
def setup(c: Context) -> None:
    """Make every cache directory, and write down for compose where they are; may be run again at any time."""
    inside_container.expect_outside()
    roots = _here.roots()
    where = ", ".join([str(roots.root), *(f"{name} in {root}" for name, root in roots.others.items())])
    if process.is_dry():
        print(f"would make the cache directories in {where}")
        return
    cache_directories.set_up(roots)
    _here.set_up_project()
    for warning in file_system.warnings(roots):
        print(f"goldi: {warning}")
    print(f"cache directories are ready in {where}")


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
    dry, key = dry_run or process.is_dry(), project_settings.load(Path.cwd()).key if project else ""
    chosen = clear_caches.chosen(tuple(name or ()), every=all, project=project)
    rows, done, images = clear_caches.rows(_here.roots(), chosen, key), 0, wiring.pythons(_here.project())
    try:
        for row in rows:
            done += 1
            try:
                clear_caches.clear(row, images, dry=dry)
            finally:
                _here.say(clear_report.lines(row, dry=dry), json)
    except (KeyboardInterrupt, Interrupted):
        _finish(rows[:done], dry=dry, json=json, interrupted=True)
        raise Interrupted from None
    _finish(rows, dry=dry, json=json)
    if not dry and (failure := clear_report.failure(rows)):
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
    from goldi_tasks.tasks.cache import _prune

    _prune.prune(
        _here.project(), age, size, tuple(name or ()), builder=builder, dry=dry_run or process.is_dry(), json=json
    )


def _finish(rows: Sequence[clear_caches.Row], *, dry: bool, json: bool, interrupted: bool = False) -> None:
    _here.say([clear_report.total(rows, dry=dry)], json)
    if json:
        print(json_.dumps(clear_report.as_json(rows, dry=dry, interrupted=interrupted), indent=2))
