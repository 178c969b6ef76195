"""The dev container, over the dev container CLI: the same container that VS Code makes.

What makes it is imported by the task that needs it: `exec` has no use for the rest.
"""

import json as json_
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from goldi_tasks import inside_container, process
from goldi_tasks import settings as project
from goldi_tasks.devcontainer.devcontainer_arguments import CONFIG
from goldi_tasks.errors import CacheRefused, UnknownName
from goldi_tasks.invocation import as_typed
from goldi_tasks.settings import Settings
from goldi_tasks.tasks._consent import YES, confirm
from goldi_tasks.tasks._task import after_dashes, task

if TYPE_CHECKING:
    from goldi_tasks.devcontainer.git_directory import Report
    from goldi_tasks.devcontainer.git_ownership import Wrong

_SHOWN = 10


@task(builds=True, help={"json": "Print it for scripts; the progress goes to standard error."})
def up(c: Context, json: bool = False) -> None:
    """Have the dev container run: build its image if need be, make or start it; quick if it runs."""
    _up(_settings(), json)


@task(builds=True, help={"json": "Print it for scripts; the progress goes to standard error."})
def rebuild(c: Context, json: bool = False) -> None:
    """Build what is stale of the image, and make the container anew."""
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
    """Run what stands after -- in the dev container, in this directory."""
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

    gone = lifecycle.down(_settings())
    if not process.is_dry():
        print("the dev container is removed" if gone else "there is no dev container")


@task(
    name="fix-git",
    help={"yes": YES, "json": "Print it for scripts; nothing is changed without --yes."},
)
def fix_git(c: Context, yes: bool = False, json: bool = False) -> None:
    """Show what in git's directory is not yours or not writable, and change that if you say so."""
    from goldi_tasks.devcontainer import git_directory

    settings = _settings()
    report = git_directory.look(settings)
    if not json:
        _show(report)
    change = bool(report.wrong) and not process.is_dry() and (yes or not json)
    if change:
        confirm(f"{len(report.wrong)} things in {report.folder} get your user and the right mode", yes)
    left = git_directory.mend(report, _images(settings)) if change else list(report.wrong)
    if json:
        print(json_.dumps(_as_json(report, left, change), indent=2))
    elif change:
        print(f"{len(report.wrong) - len(left)} changed" + (f", {len(left)} stay as they are" if left else ""))
        _list(left)
    if change and left:
        raise CacheRefused(f"{len(left)} things in {report.folder} could not be changed", "See what is listed")


def _settings() -> Settings:
    """Those of the project that has the dev container: in this one's app there may be another project."""
    inside_container.expect_outside()
    settings = project.load(Path.cwd())
    holders = (folder for folder in (settings.project, *settings.project.parents) if (folder / CONFIG).is_file())
    holder = next(holders, settings.project)
    return settings if holder == settings.project else project.load(holder)


def _up(settings: Settings, json: bool) -> None:
    from goldi_tasks.devcontainer import lifecycle

    with redirect_stdout(sys.stderr if json else sys.stdout):
        came = lifecycle.up(settings)
    if json:
        print(json_.dumps(came, indent=2))
    elif not process.is_dry():
        how = "is ready" if came["started"] else "was running"
        print(as_typed(f"the dev container {how} after {came['seconds']} s; go on with `inv devcontainer.shell`"))


def _inside(argv: tuple[str, ...]) -> None:
    from goldi_tasks.devcontainer.exec import execute

    if code := execute(_settings(), argv):
        # The program has said what there is to say.
        raise Exit(code=code)


def _images(settings: Settings) -> list[str]:
    return [f"{settings.image}:{target}" for target in ("devcontainer", "tools", "builder")]


def _show(report: "Report") -> None:
    if not report.wrong:
        print(f"all is well in {report.folder}")
        return
    print(f"in {report.folder} {len(report.wrong)} things are not as user {report.uid} needs them:")
    _list(list(report.wrong))


def _list(wrong: "list[Wrong]") -> None:
    for one in wrong[:_SHOWN]:
        print(f"  {one.path} {one.reason}")
    if len(wrong) > _SHOWN:
        print(f"  and {len(wrong) - _SHOWN} more (--json lists all)")


def _as_json(report: "Report", left: "list[Wrong]", changed: bool) -> dict[str, Any]:
    return {
        "git": str(report.folder),
        "user": report.uid,
        "wrong": [vars(one) for one in report.wrong],
        "changed": changed,
        "left": [vars(one) for one in left],
    }


ns = Collection("devcontainer", up, exec_, shell, rebuild, down, fix_git)
