"""Create, inspect, repair, prune, save and restore the caches."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context

from goldi_tasks import inside_container, process
from goldi_tasks.errors import Interrupted, NotAProject
from goldi_tasks.paths import Roots
from goldi_tasks.tasks._consent import YES, confirm
from goldi_tasks.tasks._task import benchmark, load_settings, print_json, print_lines, print_result, task

if TYPE_CHECKING:
    from goldi_tasks.maintenance import clear_caches
    from goldi_tasks.settings import Settings


@task()
def setup(c: Context) -> None:
    """Create every cache directory, and write their paths to .env for compose; may be run again at any time."""
    from goldi_tasks.cache import cache_directories, file_system

    inside_container.expect_outside()
    roots = _roots()
    where = ", ".join([str(roots.root), *(f"{name} in {root}" for name, root in roots.others.items())])
    if process.is_dry():
        print(f"would make the cache directories in {where}")
        return
    cache_directories.set_up(roots)
    _set_up_project()
    for warning in file_system.list_warnings(roots):
        print(f"goldi: {warning}")
    print(f"cache directories are ready in {where}")


@task(
    iterable=["name"],
    help={
        "name": "A cache by its name; may be repeated.",
        "all": "All caches.",
        "project": "Only this project's directories, in caches that are separate for each project.",
        "dry-run": "Print what would be deleted and what would be left alone, and change nothing.",
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
    """Empty cache directories, by name or all; files of others are left alone."""
    from goldi_tasks.maintenance import clear_caches, clear_report, tool_images

    dry, key = dry_run or process.is_dry(), load_settings().key if project else ""
    caches = clear_caches.select_caches(tuple(name or ()), every=all, project=project)
    rows, number_done = clear_caches.plan_clearing(_roots(), caches, key), 0
    images = tool_images.with_python(_settings())
    try:
        for row in rows:
            number_done += 1
            try:
                clear_caches.clear(row, images, dry=dry)
            finally:
                print_lines(clear_report.format_row(row, dry=dry), json=json)
    except (KeyboardInterrupt, Interrupted):
        _finish(rows[:number_done], dry=dry, json=json, interrupted=True)
        raise Interrupted from None
    _finish(rows, dry=dry, json=json)
    if not dry and (failure := clear_report.find_failure(rows)):
        raise failure


@task(
    iterable=["name"],
    help={
        "age": "Remove what was not used for this long, such as 30d; by default max-age; 0 is no limit.",
        "size": "Remove the least recently used until the rest is this small, such as 20GB; by default max-size.",
        "name": "Only this cache; may be repeated. The builder and records of projects are left out then.",
        "builder": "Apply the same limits to the builder's store, with `docker buildx prune`.",
        "dry-run": "Print what would be removed and why, and change nothing.",
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
    """Remove caches that were not used for long or are too large; it prints what and why before it does.

    In caches that projects share, the tool's own command prunes; in others whole directories of projects are removed,
    with the records of those projects. Not removed are directories of the current project, unless their cache is
    named, and directories that were used within an hour or are mounted in a running container. It waits until no build
    and no check runs.
    """
    from goldi_tasks.maintenance.prune import run_prune

    run_prune.prune(
        _settings(), age, size, tuple(name or ()), builder=builder, dry=dry_run or process.is_dry(), json=json
    )


def _finish(rows: Sequence[clear_caches.CacheClearing], *, dry: bool, json: bool, interrupted: bool = False) -> None:
    from goldi_tasks.maintenance import clear_report

    print_lines([clear_report.total(rows, dry=dry)], json=json)
    if json:
        print_json(clear_report.as_json(rows, dry=dry, interrupted=interrupted))


@task(
    help={
        "verbose": "Show the directories of each project, too.",
        "json": "Print it for scripts: caches (each with its projects), builder (with its cache mounts; null where no "
        "engine answers), remarks; sizes in bytes, times in ISO 8601.",
    }
)
def status(c: Context, verbose: bool = False, json: bool = False) -> None:
    """Show every cache directory, the builder's store and its cache mounts: size, files, last use, free space.

    A file with several hard links counts once for each name. The last use is the newest change, or the time, to half an
    hour, at which goldi last passed the directory to a build or a container; reading it does not count.
    """
    from goldi_tasks.maintenance.usage import measure, usage_report

    usage, builder_store, remark = measure.measure_usage(_roots())
    if json:
        print_json(usage_report.as_json(usage, builder_store, remark))
    else:
        usage_report.show(usage, builder_store, remark, time.time(), verbose=verbose)


@task(
    help={
        "dry-run": "Print what is damaged, change nothing, and fail if anything is damaged.",
        "json": "Print it for scripts; the progress goes to standard error.",
    }
)
def verify(c: Context, dry_run: bool = False, json: bool = False) -> None:
    """Check every blob of the local build caches against its digest, and remove damaged caches."""
    from goldi_tasks.maintenance import verify_local

    dry = dry_run or process.is_dry()
    results = verify_local.verify_caches(_roots(), dry=dry)
    print_result([result.as_json() for result in results], verify_local.format_reports(results), json=json)
    if failure := verify_local.failure(results, dry=dry):
        raise failure


@task(
    help={
        "fix": "Repair what is safe to repair in our directories and in .env, print it, and check again.",
        "json": "Print it for scripts; what was fixed goes to standard error.",
    }
)
def doctor(c: Context, fix: bool = False, json: bool = False) -> None:
    """Check for problems of caches, and print a remedy for each; exit code 21 if there is more than notes."""
    from goldi_tasks.maintenance import tool_images

    # Imported here: they take 20 ms, which no other task needs.
    from goldi_tasks.maintenance.doctor import finding, fixes, judge, probe

    settings, roots = _settings(), _roots()
    findings = judge(probe.collect_answers(roots, settings))
    if fix:
        repairs = fixes.apply_fixes(
            findings, roots, tool_images.with_python(settings), _set_up_project, dry=process.is_dry()
        )
        print_lines(
            (f"fixed: {line}" if not line.startswith(("could", "would")) else line for line in repairs), json=json
        )
        findings = judge(probe.collect_answers(roots, settings)) if not process.is_dry() else findings
    if json:
        healthy = finding.failure(findings) is None
        document = {"healthy": healthy, "project": settings is not None, "findings": finding.as_json(findings)}
        print_json(document)
    else:
        print_lines(finding.format_findings(findings), json=json)
        if settings is None:
            print("there is no project here: .env, volumes and base images were not checked")
    if failure := finding.failure(findings):
        raise failure


@task(
    name="bench",
    help={
        "json": "Print it for scripts.",
        "rounds": "How often everything is measured; medians are printed.",
        "files": "How many files are counted; the limit applies to a million.",
    },
)
def bench_(c: Context, json: bool = False, rounds: int = 5, files: int = 1_000_000) -> None:
    """Measure `cache.status` over many files on this machine, beside `du -s`."""
    from goldi_tasks.benchmark import limits
    from goldi_tasks.maintenance.usage import usage_benchmark

    dry_run_line = f"would make {files} files in a temporary directory and count them {rounds} times"
    benchmark(rounds, json, dry_run_line, lambda report: usage_benchmark.measure(files, rounds, report), limits)


@task(
    iterable=["name"],
    help={
        "file": "The archive; - for standard output. Replaces an archive of this project, asks before other files.",
        "name": "A cache by its name; may be repeated. By default the caches that help builds and checks elsewhere.",
        "mounts": "Also the builder's cache mounts, of every Dockerfile of the project.",
        "project": "Only this project's directories, in caches that are separate for each project.",
        "yes": YES,
        "json": "Print the result for scripts.",
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
    """Save caches and the builder's cache mounts to one file, for cache.restore on another machine."""
    from goldi_tasks.cache import usage_lock
    from goldi_tasks.client import system_info
    from goldi_tasks.maintenance import clear_caches
    from goldi_tasks.maintenance.archive import archive_report, save_archive

    settings, names = load_settings(), tuple(name or ())
    caches = (
        clear_caches.select_caches(names, every=False, project=project)
        if names
        else save_archive.list_default_caches(project)
    )
    if process.is_dry():
        print(f"would save to {file}: {', '.join(cache.name for cache in caches)}{' and cache mounts' * mounts}")
        return
    confirm(save_archive.find_loss(file, settings.key), yes, "name another file")
    builder = save_archive.find_builder(settings) if mounts else None
    with usage_lock.hold_shared_lock():
        contents = save_archive.save(settings, caches, system_info.host().platform, builder, file)
    print_result(
        archive_report.saved_json(contents),
        archive_report.format_saved(contents),
        json=json,
        file=sys.stderr if file == save_archive.STDOUT else None,
    )


@task(
    iterable=["name"],
    help={
        "file": "A file of cache.save. Restore only files from people you trust.",
        "name": "Only this cache of the file; may be repeated.",
        "mounts": "Also the builder's cache mounts.",
        "json": "Print the result for scripts.",
    },
)
def restore(c: Context, file: str, name: Sequence[str] | None = None, mounts: bool = True, json: bool = False) -> None:
    """Replace caches by those in a file of cache.save, after checking the whole file."""
    from goldi_tasks.cache import usage_lock
    from goldi_tasks.client import system_info
    from goldi_tasks.maintenance import clear_caches
    from goldi_tasks.maintenance.archive import archive_report, restore_archive, save_archive

    settings, names = load_settings(), tuple(name or ())
    if names:
        clear_caches.select_caches(names, every=False)  # raises for an unknown name
    if process.is_dry():
        print(f"would restore {', '.join(names) or 'all caches'} from {file}")
        return
    builder = save_archive.find_builder(settings) if mounts else None
    with usage_lock.hold_shared_lock():
        contents = restore_archive.restore(settings, names, system_info.host().platform, builder, Path(file))
    print_result(
        archive_report.restored_json(contents, file), archive_report.format_restored(contents, file), json=json
    )


@task(help={"json": "Print it for scripts, with the prefix of older keys."})
def key(c: Context, json: bool = False) -> None:
    """Print a key for a CI's cache step, computed from the project's lock files and Dockerfile."""
    from goldi_tasks.client import system_info
    from goldi_tasks.maintenance.archive import cache_key, lock_files

    settings, platform = load_settings(), system_info.host().platform
    files = lock_files.read(settings)
    primary_key = lock_files.primary_key(settings, platform, files)
    document = {"key": primary_key, "restore_keys": [cache_key.prefix(platform)], "files": sorted(files)}
    print_result(document, [primary_key], json=json)


def _set_up_project() -> None:
    """Create what the project's containers mount, and write its .env, if there is a project that builds."""
    from goldi_tasks.compose import host_setup

    settings = _settings()
    if settings and settings.env_file.parent.is_dir():
        host_setup.plan(settings)()


def _settings() -> Settings | None:
    """Return the project's settings, None outside a project."""
    with suppress(NotAProject):
        return load_settings()
    return None


def _roots() -> Roots:
    """Return the roots of the caches, outside a project too: the directories belong to the machine."""
    from goldi_tasks import settings as project_settings

    return (_settings() or project_settings.outside()).roots


ns = Collection("cache", setup, status, verify, doctor, clear, prune, save, restore, key, bench_)
