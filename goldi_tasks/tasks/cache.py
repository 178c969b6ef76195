"""The caches: make, look, mend, make smaller, carry elsewhere."""

import json as json_
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context

from goldi_tasks import inside_container, process
from goldi_tasks import settings as project_settings
from goldi_tasks.cache import cache_directories, file_system, usage_lock
from goldi_tasks.client import system_info
from goldi_tasks.errors import Interrupted, NotAProject
from goldi_tasks.maintenance import clear_caches, clear_report, tool_images
from goldi_tasks.paths import Roots
from goldi_tasks.settings import Settings
from goldi_tasks.settings.image_names import base_images
from goldi_tasks.tasks._consent import YES, confirm
from goldi_tasks.tasks._task import benchmark, print_json, print_lines, task


@task()
def setup(c: Context) -> None:
    """Make every cache directory, and write down for compose where they are; may be run again at any time."""
    inside_container.expect_outside()
    roots = _roots()
    where = ", ".join([str(roots.root), *(f"{name} in {root}" for name, root in roots.others.items())])
    if process.is_dry():
        print(f"would make the cache directories in {where}")
        return
    cache_directories.set_up(roots)
    _set_up_project()
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
    rows, done, images = clear_caches.rows(_roots(), chosen, key), 0, tool_images.with_python(_settings())
    try:
        for row in rows:
            done += 1
            try:
                clear_caches.clear(row, images, dry=dry)
            finally:
                print_lines(clear_report.lines(row, dry=dry), json=json)
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
    from goldi_tasks.maintenance.prune import run_prune

    run_prune.prune(
        _settings(), age, size, tuple(name or ()), builder=builder, dry=dry_run or process.is_dry(), json=json
    )


def _finish(rows: Sequence[clear_caches.Row], *, dry: bool, json: bool, interrupted: bool = False) -> None:
    print_lines([clear_report.total(rows, dry=dry)], json=json)
    if json:
        print_json(clear_report.as_json(rows, dry=dry, interrupted=interrupted))


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
    from goldi_tasks.maintenance.usage import measure, usage_report

    found, store, remark = measure.look(_roots())
    if json:
        print_json(usage_report.as_json(found, store, remark))
    else:
        usage_report.show(found, store, remark, time.time(), verbose=verbose)


@task(
    help={
        "dry-run": "Say what is bad, change nothing, and fail if anything is.",
        "json": "Print it for scripts; the progress goes to standard error.",
    }
)
def verify(c: Context, dry_run: bool = False, json: bool = False) -> None:
    """Check every blob of the local build caches against its digest, and drop the caches that are damaged."""
    from goldi_tasks.maintenance import verify_local

    dry = dry_run or process.is_dry()
    found = verify_local.run(_roots(), dry=dry)
    if json:
        print_json([one.as_json() for one in found])
    else:
        print_lines(verify_local.lines(found))
    if failure := verify_local.failure(found, dry=dry):
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
    from goldi_tasks.maintenance.doctor import finding, fixes, judge, probe

    settings, where = _settings(), _roots()
    found = judge(probe.everything(where, settings))
    if fix:
        done = fixes.mend(found, where, tool_images.with_python(settings), _set_up_project, dry=process.is_dry())
        print_lines((f"fixed: {line}" if not line.startswith(("could", "would")) else line for line in done), json=json)
        found = judge(probe.everything(where, settings)) if not process.is_dry() else found
    if json:
        healthy = finding.failure(found) is None
        told = {"healthy": healthy, "project": settings is not None, "findings": finding.as_json(found)}
        print_json(told)
    else:
        print_lines(finding.lines(found), json=json)
        if settings is None:
            print("there is no project here: its .env, its volumes and its base images were not looked at")
    if failure := finding.failure(found):
        raise failure


@task(
    name="bench",
    help={
        "json": "Print it for scripts.",
        "rounds": "How often everything is measured; medians are told.",
        "files": "How many files are looked at; the limit is meant for a million.",
    },
)
def bench_(c: Context, json: bool = False, rounds: int = 5, files: int = 1_000_000) -> None:
    """Measure `cache.status` over many files on this machine, beside `du -s`."""
    from goldi_tasks.benchmark import limits
    from goldi_tasks.maintenance.usage import usage_benchmark

    would = f"would make {files} files in a temporary directory and look at them {rounds} times"
    benchmark(rounds, json, would, lambda tell: usage_benchmark.measure(files, rounds, tell), limits)


@task(
    iterable=["name"],
    help={
        "file": "Where to; - for standard output. An archive of this project is replaced, other files are asked about.",
        "name": "A cache by its name; may be repeated. Without it those that help a build and a check elsewhere.",
        "mounts": "Also the builder's cache mounts, of every Dockerfile of the project.",
        "project": "Only what this project has in caches that are kept apart by project.",
        "yes": YES,
        "json": "Print what came of it for scripts.",
    },
)
def save(
    c: Context,
    file: str,
    name: Sequence[str] | None = None,
    mounts: bool = True,
    project: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Save caches and the builder's cache mounts to one file, from which cache.restore warms another machine."""
    from goldi_tasks.maintenance.archive import archive_report, overwrite, save_archive

    settings, names = project_settings.load(Path.cwd()), tuple(name or ())
    caches = clear_caches.chosen(names, every=False, project=project) if names else save_archive.usual(project)
    if process.is_dry():
        print(f"would save to {file}: {', '.join(cache.name for cache in caches)}{' and cache mounts' * mounts}")
        return
    confirm(overwrite.find_loss(file, settings.key), yes, "name another file")
    builder = save_archive.find_builder(settings) if mounts else None
    with usage_lock.at_work():
        found = save_archive.save(settings, caches, system_info.host().platform, builder, file)
    lines = [json_.dumps(archive_report.saved_json(found), indent=2)] if json else archive_report.saved(found)
    for line in lines:
        print(line, file=sys.stderr if file == save_archive.STDOUT else sys.stdout)


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
    from goldi_tasks.maintenance.archive import archive_report, restore_archive, save_archive

    settings, names = project_settings.load(Path.cwd()), tuple(name or ())
    if names:
        clear_caches.chosen(names, every=False)  # raises for a name that there is not
    if process.is_dry():
        print(f"would restore {', '.join(names) or 'all caches'} from {file}")
        return
    builder = save_archive.find_builder(settings) if mounts else None
    with usage_lock.at_work():
        found = restore_archive.restore(settings, names, system_info.host().platform, builder, Path(file))
    lines = (
        [json_.dumps(archive_report.restored_json(found, file), indent=2)]
        if json
        else archive_report.restored(found, file)
    )
    print_lines(lines)


@task(help={"json": "Print it with what older keys begin with, for scripts."})
def key(c: Context, json: bool = False) -> None:
    """Print a key for a CI's cache step, from the project's lock files and Dockerfile."""
    from goldi_tasks.maintenance.archive import cache_key, lock_files

    settings, platform = project_settings.load(Path.cwd()), system_info.host().platform
    files = lock_files.read(settings)
    found = cache_key.key(platform, base_images(settings, settings.made_images), files)
    if json:
        told = {"key": found, "restore_keys": [cache_key.prefix(platform)], "files": sorted(files)}
        print_json(told)
    else:
        print(found)


def _set_up_project() -> None:
    """The project's own part, where there is a project that builds."""
    from goldi_tasks.compose import host_setup

    settings = _settings()
    if settings and settings.env_file.parent.is_dir():
        host_setup.plan(settings)()


def _settings() -> Settings | None:
    """The project's settings; None outside one."""
    with suppress(NotAProject):
        return project_settings.load(Path.cwd())
    return None


def _roots() -> Roots:
    """Where the caches lie; outside a project too, since the directories are the machine's."""
    return (_settings() or project_settings.outside()).roots


ns = Collection("cache", setup, status, verify, doctor, clear, prune, save, restore, key, bench_)
