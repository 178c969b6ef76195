"""Run the dev container with the dev container CLI: the same container that VS Code makes.

Each task imports the modules that it needs, to keep `exec` fast.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from goldi_tasks import inside_container, process
from goldi_tasks.errors import CacheRefused, UnknownName
from goldi_tasks.invocation import as_typed
from goldi_tasks.tasks._consent import YES, confirm
from goldi_tasks.tasks._task import after_dashes, load_settings, print_json, task

if TYPE_CHECKING:
    from goldi_tasks.devcontainer.git_directory import GitDirectoryReport
    from goldi_tasks.devcontainer.git_ownership import GitProblem
    from goldi_tasks.settings import Settings

_MAX_LISTED = 10


@task(builds=True, help={"json": "Print it for scripts; the progress goes to standard error."})
def up(c: Context, json: bool = False) -> None:
    """Start the dev container: build its image if necessary, create or start it; fast if it runs already."""
    _up(_settings(), json)


@task(builds=True, help={"json": "Print it for scripts; the progress goes to standard error."})
def rebuild(c: Context, json: bool = False) -> None:
    """Build the image if it is stale, and create the container again."""
    from goldi_tasks.bake import builds
    from goldi_tasks.devcontainer import lifecycle

    settings = _settings()
    lifecycle.config(settings)
    with redirect_stdout(sys.stderr if json else sys.stdout):
        builds.ensure_image(settings, "devcontainer")
        lifecycle.down(settings)
    _up(settings, json)


@task(name="exec")
def exec_(c: Context) -> None:
    """Run the command after -- in the dev container, in this directory."""
    argv = tuple(after_dashes())
    if not argv:
        raise UnknownName("there is no command to run", "Write it after --, as in `inv devcontainer.exec -- pytest -q`")
    _inside(argv)


@task()
def shell(c: Context) -> None:
    """Open a shell in the dev container, in this directory."""
    _inside(("bash",))


@task()
def down(c: Context) -> None:
    """Remove the dev container; caches and the image stay."""
    from goldi_tasks.devcontainer import lifecycle

    is_removed = lifecycle.down(_settings())
    if not process.is_dry():
        print("the dev container is removed" if is_removed else "there is no dev container")


@task(
    name="fix-git",
    help={"yes": YES, "json": "Print it for scripts; nothing is changed without --yes."},
)
def fix_git(c: Context, yes: bool = False, json: bool = False) -> None:
    """Show files in git's directory that are not yours or not writable, and change them after asking."""
    from goldi_tasks.devcontainer import git_directory

    settings = _settings()
    report = git_directory.inspect(settings)
    if not json:
        _show(report)
    change = bool(report.wrong) and not process.is_dry() and (yes or not json)
    if change:
        confirm(f"{len(report.wrong)} files in {report.folder} get your user and the right mode", yes)
    remaining = git_directory.repair(report, _images(settings)) if change else list(report.wrong)
    if json:
        print_json(_as_json(report, remaining, change))
    elif change:
        print(
            f"{len(report.wrong) - len(remaining)} changed"
            + (f", {len(remaining)} stay as they are" if remaining else "")
        )
        _list(remaining)
    if change and remaining:
        raise CacheRefused(f"{len(remaining)} files in {report.folder} could not be changed", "See the list above")


def _settings() -> Settings:
    """Return the settings of the project that has the dev container: the current one may be nested in it."""
    from goldi_tasks import settings as project
    from goldi_tasks.devcontainer.devcontainer_arguments import CONFIG

    inside_container.expect_outside()
    settings = load_settings()
    directories = (settings.project, *settings.project.parents)
    directory = next((directory for directory in directories if (directory / CONFIG).is_file()), settings.project)
    return settings if directory == settings.project else project.load(directory)


def _up(settings: Settings, json: bool) -> None:
    from goldi_tasks.devcontainer import lifecycle

    with redirect_stdout(sys.stderr if json else sys.stdout):
        summary = lifecycle.up(settings)
    if json:
        print_json(summary)
    elif not process.is_dry():
        state = "is ready" if summary["started"] else "was running"
        print(as_typed(f"the dev container {state} after {summary['seconds']} s; go on with `inv devcontainer.shell`"))


def _inside(argv: tuple[str, ...]) -> None:
    from goldi_tasks.devcontainer.devcontainers import execute

    if code := execute(_settings(), argv):
        # The program has printed its own error.
        raise Exit(code=code)


def _images(settings: Settings) -> list[str]:
    return [f"{settings.image}:{target}" for target in ("devcontainer", "tools", "builder")]


def _show(report: GitDirectoryReport) -> None:
    if not report.wrong:
        print(f"all is well in {report.folder}")
        return
    print(f"{len(report.wrong)} files in {report.folder} have a wrong owner or mode for user {report.uid}:")
    _list(list(report.wrong))


def _list(problems: list[GitProblem]) -> None:
    for problem in problems[:_MAX_LISTED]:
        print(f"  {problem.path} {problem.reason}")
    if len(problems) > _MAX_LISTED:
        print(f"  and {len(problems) - _MAX_LISTED} more (--json lists all)")


def _as_json(report: GitDirectoryReport, remaining: list[GitProblem], changed: bool) -> dict[str, Any]:
    return {
        "git": str(report.folder),
        "user": report.uid,
        "wrong": [vars(problem) for problem in report.wrong],
        "changed": changed,
        "left": [vars(problem) for problem in remaining],
    }


ns = Collection("devcontainer", up, exec_, shell, rebuild, down, fix_git)
