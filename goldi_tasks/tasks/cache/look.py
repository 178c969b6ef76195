"""Look at the caches: what there is, whether it is whole, what it suffers from."""

import json as json_
import time

from invoke.context import Context

from goldi_tasks import process, wiring
from goldi_tasks.tasks._task import benchmark, task
from goldi_tasks.tasks.cache import _here


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

    found, store, remark = measure.look(_here.roots())
    if json:
        print(json_.dumps(usage_report.as_json(found, store, remark), indent=2))
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
    found = verify_local.run(_here.roots(), dry=dry)
    if json:
        print(json_.dumps([one.as_json() for one in found], indent=2))
    else:
        for line in verify_local.lines(found):
            print(line)
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

    settings, where = _here.project(), _here.roots()
    found = judge(probe.everything(where, settings))
    if fix:
        done = fixes.mend(found, where, wiring.pythons(settings), _here.set_up_project, dry=process.is_dry())
        _here.say((f"fixed: {line}" if not line.startswith(("could", "would")) else line for line in done), json)
        found = judge(probe.everything(where, settings)) if not process.is_dry() else found
    if json:
        healthy = finding.failure(found) is None
        told = {"healthy": healthy, "project": settings is not None, "findings": finding.as_json(found)}
        print(json_.dumps(told, indent=2))
    else:
        _here.say(finding.lines(found), json)
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
