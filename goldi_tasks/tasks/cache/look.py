"""Look at the caches: what there is, whether it is whole, what it suffers from."""

import json as json_
import time

from invoke.context import Context

from goldi_tasks import run, wiring
from goldi_tasks.tasks._door import benchmark, task
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
    from goldi_tasks.cache.look import show
    from goldi_tasks.cache.look import status as looking

    found, store, remark = looking.look(_here.roots())
    if json:
        print(json_.dumps(show.as_json(found, store, remark), indent=2))
    else:
        show.show(found, store, remark, time.time(), verbose=verbose)


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
    found = check.run(_here.roots(), dry=dry)
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

    settings, where = _here.project(), _here.roots()
    found = judge(ask.everything(where, settings))
    if fix:
        done = mend.mend(found, where, wiring.pythons(settings), _here.set_up_project, dry=run.is_dry())
        _here.say((f"fixed: {line}" if not line.startswith(("could", "would")) else line for line in done), json)
        found = judge(ask.everything(where, settings)) if not run.is_dry() else found
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
    from goldi_tasks.bench import limits
    from goldi_tasks.cache.look import bench

    would = f"would make {files} files in a temporary directory and look at them {rounds} times"
    benchmark(rounds, json, would, lambda tell: bench.measure(files, rounds, tell), limits)
