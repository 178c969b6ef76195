"""All that CI checks at once, the matrices that its jobs are made of, and what the checks cost."""

import json as json_
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

from invoke.context import Context

from goldi_tasks import process, wiring
from goldi_tasks import settings as project
from goldi_tasks.ci import ci_environment, jobs, noxfile
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, UnknownName, did_you_mean
from goldi_tasks.settings import Settings
from goldi_tasks.tasks._consent import YES, confirm
from goldi_tasks.tasks._task import benchmark, task

_KINDS = ("sessions", "targets")
# Not from the project's directory: what lies there must not stand for a module of ours.
_BUILD = ("-P", "-c", "from goldi_tasks.cli import main; main()", "build.prod", "--json", "--progress", "brief")


@task(
    iterable=["session"],
    help={
        "session": "A session of the noxfile; may be repeated. Without it lint, typecheck, tests and precommit.",
        "build": "Also build the production image.",
        "fail_fast": "End the others as soon as one has failed.",
        "json": "Print what came of it for scripts; all else goes to standard error.",
        "junit": "Write a JUnit file; an earlier one is replaced, any other file asked about.",
        "yes": YES,
        "summary": "Add a summary in Markdown to this file; where a CI offers a file for it, to that, too.",
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
    """Run what CI runs: checks and the production build, side by side but for what changes files."""
    from goldi_tasks.ci import check_report, checks_view, run_checks

    settings = project.load(Path.cwd())
    checks = _checks(settings, session or (), build)
    if process.is_dry():
        print("\n".join(str(one.command) for turn in jobs.turns(checks) for one in turn))
        return
    confirm(ci_environment.find_loss(junit), yes, "name another file")
    for file in (*ci_environment.summaries(summary), *([Path(junit)] if junit else [])):
        # Before all the work is done in vain.
        ci_environment.append(file, "")
    with redirect_stdout(sys.stderr) if json else nullcontext():
        found = run_checks.run_all(checks, settings.project, checks_view.shown, fail_fast=fail_fast)
    print(
        json_.dumps(check_report.as_json(found), indent=2) if json else "\n".join(check_report.lines(found)), flush=True
    )
    if junit:
        ci_environment.write(Path(junit), check_report.junit(found))
    for file in ci_environment.summaries(summary):
        ci_environment.append(file, check_report.markdown(found))
    if found.first:
        raise CommandFailed(f"{found.first.check.name} failed", found.code, "See its output above")


@task(
    iterable=["name"],
    help={
        "kind": "sessions: of the noxfile, those that plain nox runs; targets: of the bake file, with their platforms.",
        "name": "Only this session, or this target or group; may be repeated.",
    },
)
def matrix(c: Context, kind: str = "sessions", name: Sequence[str] | None = None) -> None:
    """Print a matrix of jobs as GitHub's fromJSON takes it; on GitHub it is the step's output `matrix`, too."""
    settings, names = project.load(Path.cwd()), tuple(name or ())
    if kind not in _KINDS:
        raise UnknownName(f"no kind of matrix '{kind}'", did_you_mean(kind, _KINDS).capitalize())
    found = _targets(settings, names) if kind == "targets" else jobs.session_matrix(noxfile.sessions(settings, names))
    printed = json_.dumps(found)
    ci_environment.output({"matrix": printed})
    print(printed)


@task(
    name="bench",
    help={"json": "Print it for scripts.", "rounds": "How often everything is measured; medians are told."},
)
def bench_(c: Context, json: bool = False, rounds: int = 5) -> None:
    """Measure checks of this project on this machine, beside the host and `docker compose run`."""
    from goldi_tasks.benchmark import limits
    from goldi_tasks.checks import check_benchmark

    settings = project.load(Path.cwd())
    would = f"would run checks of {settings.project} {rounds} times in a container, on the host and with compose"
    image = wiring.doors(settings).image
    benchmark(rounds, json, would, lambda tell: check_benchmark.measure(settings, rounds, tell, image), limits)


def _checks(settings: Settings, names: Sequence[str], build: bool) -> list[jobs.Check]:
    """What is to be run. Raises NotAProject, CommandFailed of nox, UnknownName."""
    found = jobs.chosen(noxfile.sessions(settings, every=True), names)
    building = Command((sys.executable, *_BUILD)) if build else None
    checks = jobs.checks(found, noxfile.nox(settings), building, os.environ)
    if not checks:
        raise UnknownName(f"the noxfile has none of {', '.join(jobs.USUAL)}", "Name sessions with --session")
    return checks


def _targets(settings: Settings, names: tuple[str, ...]) -> dict[str, list[dict[str, str]]]:
    from goldi_tasks.bake import bakefile, builds
    from goldi_tasks.bake.build_request import public

    command = builds.shown(settings, names or public(bakefile.load(settings)))
    return jobs.target_matrix(json_.loads(process.capture(command, cwd=settings.project)))
