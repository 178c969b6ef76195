"""Run what CI runs: nox sessions, all checks at once, and the steps that save and restore caches."""

from __future__ import annotations

import json as json_
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.context import Context

from goldi_tasks import process
from goldi_tasks.errors import CacheRefused, CommandFailed, NoPermission, NoSpace, UnknownName, did_you_mean
from goldi_tasks.tasks._consent import YES, confirm
from goldi_tasks.tasks._task import after_dashes, benchmark, load_settings, print_json, print_result, task

if TYPE_CHECKING:
    from goldi_tasks.ci import jobs
    from goldi_tasks.settings import Settings


def _nox_task(name: str, doc: str) -> Any:
    """Return a task that runs the nox session of the same name, with the arguments after `--`."""

    def run_session(c: Context) -> None:
        _nox("--session", name, "--", *after_dashes())

    run_session.__doc__ = doc
    return task(name=name)(run_session)


lint = _nox_task("lint", "Run `nox -s lint`; arguments after -- are passed on, as with all of these.")
format_ = _nox_task("format", "Run `nox -s format`.")
typecheck = _nox_task("typecheck", "Run `nox -s typecheck`.")
tests = _nox_task("tests", "Run `nox -s tests`.")
precommit = _nox_task("precommit", "Run `nox -s precommit`.")


@task(name="session", positional=["name"], help={"name": "A session of the noxfile."})
def session_(c: Context, name: str) -> None:
    """Run any session of the noxfile."""
    _nox("--session", name, "--", *after_dashes())


@task(name="list")
def list_(c: Context) -> None:
    """List the sessions of the noxfile."""
    _nox("--list")


@task(
    help={
        "stop": "Stop the project's tools containers, even if checks run in them.",
        "shell": "Open a shell in the container, which is started if necessary.",
        "logins": "Pass the passwords and tokens of this machine's network to the shell.",
        "json": "Print it for scripts.",
    }
)
def tools(c: Context, stop: bool = False, shell: bool = False, logins: bool = False, json: bool = False) -> None:
    """Show the container that checks run in; stop it, or open a shell in it."""
    settings = load_settings()
    if process.is_dry():
        print(f"would {'stop' if stop else 'open a shell in' if shell else 'show'} the tools container")
    elif stop:
        from goldi_tasks.checks import warm_container

        for name in warm_container.stop(settings):
            print(f"{name} is stopped")
    elif shell:
        _shell(settings, logins)
    else:
        _show(settings, json)


def _shell(settings: Settings, logins: bool) -> None:
    from goldi_tasks.checks import run

    code = run.run_in_tools(settings, ("bash",), os.environ, patient=True, logins=logins)
    if code:
        raise CommandFailed(f"the shell ended with exit code {code}", code)


def _show(settings: Settings, json: bool) -> None:
    from goldi_tasks.checks import warm_container

    containers = warm_container.list_containers(settings)
    if json:
        print_json(containers)
        return
    for row in containers:
        checks = row["checks"]
        print(f"{row['name']}  {row['status']}  image {row['image'][7:19]}  {len(checks)} running")
        for check in checks:
            print(f"  {check}")
    if not containers:
        print("no tools container; the next check starts one")


def _nox(*arguments: str) -> None:
    """Run nox in the project's directory. Raises NotAProject, CommandFailed with nox's exit code, Interrupted."""
    from goldi_tasks.ci import noxfile
    from goldi_tasks.command import Command

    process.run_in_terminal(Command((*noxfile.nox(load_settings()), *arguments)))


_KINDS = ("sessions", "targets")
# With -P: a module in the project's directory must not replace one of ours.
_BUILD = ("-P", "-c", "from goldi_tasks.cli import main; main()", "build.prod", "--json", "--progress", "brief")


@task(
    iterable=["session"],
    help={
        "session": "A session of the noxfile; may be repeated. Without it lint, typecheck, tests and precommit.",
        "build": "Also build the production image.",
        "fail_fast": "End the others as soon as one has failed.",
        "json": "Print the result for scripts; all other output goes to standard error.",
        "junit": "Write a JUnit file; replaces an earlier one, asks before any other file.",
        "yes": YES,
        "summary": "Append a summary in Markdown to this file, and to the CI's own summary file if it has one.",
    },
)
def check(
    c: Context,
    session: Sequence[str] | None = None,
    build: bool = True,
    fail_fast: bool = False,
    json: bool = False,
    junit: str = "",
    summary: str = "",
    yes: bool = False,
) -> None:
    """Run what CI runs: checks and the production build, in parallel except sessions that change files."""
    from goldi_tasks.ci import check_report, checks_view, ci_environment, jobs, run_checks

    settings = load_settings()
    checks = _checks(settings, session or (), build)
    if process.is_dry():
        print("\n".join(str(job.command) for turn in jobs.turns(checks) for job in turn))
        return
    confirm(ci_environment.find_loss(junit), yes, "name another file")
    for file in (*ci_environment.summaries(summary), *([Path(junit)] if junit else [])):
        # Fails before the checks run if the file cannot be written.
        ci_environment.append(file, "")
    with redirect_stdout(sys.stderr) if json else nullcontext():
        results = run_checks.run_all(checks, settings.project, checks_view.show_checks, fail_fast=fail_fast)
    print_result(check_report.as_json(results), check_report.format_results(results), json=json)
    if junit:
        ci_environment.write(Path(junit), check_report.junit(results))
    for file in ci_environment.summaries(summary):
        ci_environment.append(file, check_report.markdown(results))
    if results.first:
        raise CommandFailed(f"{results.first.check.name} failed", results.code, "See its output above")


@task(
    iterable=["name"],
    help={
        "kind": "sessions: the noxfile's default sessions; targets: the bake file's targets, with their platforms.",
        "name": "Only this session, or this target or group; may be repeated.",
    },
)
def matrix(c: Context, kind: str = "sessions", name: Sequence[str] | None = None) -> None:
    """Print a matrix of jobs for GitHub's fromJSON; on GitHub also set it as the step's output `matrix`."""
    from goldi_tasks.ci import ci_environment, jobs, noxfile

    settings, names = load_settings(), tuple(name or ())
    if kind not in _KINDS:
        raise UnknownName(f"no kind of matrix '{kind}'", did_you_mean(kind, _KINDS).capitalize())
    jobs_matrix = (
        _targets(settings, names) if kind == "targets" else jobs.session_matrix(noxfile.sessions(settings, names))
    )
    text = json_.dumps(jobs_matrix)
    ci_environment.output({"matrix": text})
    print(text)


@task(
    name="bench",
    help={"json": "Print it for scripts.", "rounds": "How often everything is measured; medians are printed."},
)
def bench_(c: Context, json: bool = False, rounds: int = 5) -> None:
    """Measure checks of this project on this machine, beside the host and `docker compose run`."""
    from goldi_tasks.benchmark import limits
    from goldi_tasks.checks import check_benchmark

    settings = load_settings()
    dry_run_line = f"would run checks of {settings.project} {rounds} times in a container, on the host and with compose"
    benchmark(rounds, json, dry_run_line, lambda report: check_benchmark.measure(settings, rounds, report), limits)


def _checks(settings: Settings, names: Sequence[str], build: bool) -> list[jobs.Check]:
    """Return the checks to run. Raises NotAProject, CommandFailed of nox, UnknownName."""
    from goldi_tasks.ci import jobs, noxfile
    from goldi_tasks.command import Command

    session_names = jobs.select_sessions(noxfile.sessions(settings, every=True), names)
    build_command = Command((sys.executable, *_BUILD)) if build else None
    checks = jobs.checks(session_names, noxfile.nox(settings), build_command, os.environ)
    if not checks:
        raise UnknownName(f"the noxfile has none of {', '.join(jobs.USUAL)}", "Name sessions with --session")
    return checks


def _targets(settings: Settings, names: tuple[str, ...]) -> dict[str, list[dict[str, str]]]:
    from goldi_tasks.bake import bakefile, builds
    from goldi_tasks.bake.build_request import public
    from goldi_tasks.ci import jobs

    command = builds.print_command(settings, names or public(bakefile.load(settings)))
    return jobs.target_matrix(json_.loads(process.capture(command, cwd=settings.project)))


_FILE = "The archive; by default in RUNNER_TEMP on GitHub, in the project on GitLab, else in the state directory."
_MOUNTS = "Also the builder's cache mounts, which takes several times as long."


@task(name="cache-key", help={"json": "Print it with the archive's path and the prefix of older keys."})
def cache_key_(c: Context, json: bool = False) -> None:
    """Print the key of the caches; on GitHub also set the step's outputs key, restore-keys and path."""
    from goldi_tasks.ci import ci_environment
    from goldi_tasks.client import system_info
    from goldi_tasks.maintenance.archive import cache_key, lock_files

    settings, platform = load_settings(), system_info.host().platform
    file = ci_environment.archive(settings.key)
    outputs = {
        "key": lock_files.primary_key(settings, platform, lock_files.read(settings)),
        "restore-keys": cache_key.prefix(platform),
        "path": str(file.parent),
    }
    ci_environment.output(outputs)
    print_result(outputs, [outputs["key"]], json=json)


@task(name="cache-restore", help={"file": _FILE, "mounts": _MOUNTS})
def cache_restore(c: Context, file: str = "", mounts: bool = False) -> None:
    """Restore the caches that an earlier run saved; succeeds without them if they are missing or damaged."""
    from goldi_tasks.cache import usage_lock
    from goldi_tasks.ci import ci_environment
    from goldi_tasks.client import system_info
    from goldi_tasks.maintenance.archive import archive_report, restore_archive, save_archive

    settings = load_settings()
    archive = ci_environment.archive(settings.key, file)
    if process.is_dry():
        print(f"would restore all caches from {archive}")
        return
    if not archive.is_file():
        print(f"no caches to restore: {archive} is not there")
        return
    try:
        builder = save_archive.find_builder(settings) if mounts else None
        with usage_lock.hold_shared_lock():
            contents = restore_archive.restore(settings, (), system_info.host().platform, builder, archive)
    except (CacheRefused, NoSpace, CommandFailed) as error:
        # The archive that is saved at the end of this run replaces it.
        ci_environment.note(archive, "")
        print(f"{ci_environment.warning()}goldi: going on without caches: {error}", flush=True)
        return
    print("\n".join(archive_report.format_restored(contents, str(archive))))


@task(name="cache-save", help={"file": _FILE, "mounts": _MOUNTS, "yes": f"Overwrite any file. {YES}"})
def cache_save(c: Context, file: str = "", mounts: bool = False, yes: bool = False) -> None:
    """Save the caches for later runs, unless the restored ones have the same key."""
    from goldi_tasks import state
    from goldi_tasks.cache import usage_lock
    from goldi_tasks.ci import ci_environment
    from goldi_tasks.client import system_info
    from goldi_tasks.maintenance.archive import archive_report, lock_files, save_archive

    settings = load_settings()
    archive = ci_environment.archive(settings.key, file)
    if process.is_dry():
        print(f"would save all caches to {archive}")
        return
    platform = system_info.host().platform
    primary_key = lock_files.primary_key(settings, platform, lock_files.read(settings))
    if ci_environment.saved_key(archive) == primary_key:
        print(f"nothing to save: {archive} has the key {primary_key} already")
        return
    confirm(save_archive.find_loss(file, settings.key) if file else "", yes, "name another file")
    try:
        state.make(archive.parent)
    except OSError as error:
        raise NoPermission(f"{archive.parent} cannot be made: {error.strerror}", "Name another file") from error
    builder = save_archive.find_builder(settings) if mounts else None
    ci_environment.note(archive, "")
    with usage_lock.hold_shared_lock():
        contents = save_archive.save(settings, save_archive.list_default_caches(False), platform, builder, str(archive))
    ci_environment.note(archive, primary_key)
    print("\n".join(archive_report.format_saved(contents)))


ns = Collection(
    "ci",
    *(check, lint, format_, typecheck, tests, precommit, session_, list_, tools, bench_, matrix),
    *(cache_key_, cache_restore, cache_save),
)
