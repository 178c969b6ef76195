"""Look at the caches: what there is, whether it is whole, what it suffers from."""

import json as json_
from dataclasses import asdict

from invoke.context import Context

from goldi_tasks import run
from goldi_tasks.cache import sizes
from goldi_tasks.tasks._door import task
from goldi_tasks.tasks.cache import _here


@task(help={"json": "Print it for scripts, sizes in bytes."})
def status(c: Context, json: bool = False) -> None:
    """Show every cache directory with its size."""
    found = sizes.measure(_here.roots())
    if json:
        print(json_.dumps([asdict(size) for size in found], default=str, indent=2))
        return
    for size in found:
        amount = f"{size.bytes / 1e6:10.1f} MB {size.files:8d} files" if size.exists else f"{'not there':>13} {'':14}"
        print(f"{size.name:<28}{amount}  {size.path}{sizes.remarks(size)}")
    print(f"{'all':<28}{sum(size.bytes for size in found) / 1e6:10.1f} MB {sum(size.files for size in found):8d} files")


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

    settings = _here.project()
    found = judge(ask.everything(_here.roots(), settings))
    if fix:
        done = mend.mend(found, _here.roots(), _here.images(), _here.set_up_project, dry=run.is_dry())
        _here.say((f"fixed: {line}" if not line.startswith(("could", "would")) else line for line in done), json)
        found = judge(ask.everything(_here.roots(), settings)) if not run.is_dry() else found
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
