"""The sessions of the noxfile, one by one, and the container that they run in."""

import json as json_
import os
from pathlib import Path
from typing import Any

from invoke.context import Context

from goldi_tasks import process, wiring
from goldi_tasks import settings as project
from goldi_tasks.ci import noxfile
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed
from goldi_tasks.settings import Settings
from goldi_tasks.tasks._task import after_dashes, task


def _task(name: str, doc: str) -> Any:
    """A task that runs the nox session of its own name; what stands after `--` is passed on."""

    def body(c: Context) -> None:
        _nox("--session", name, "--", *after_dashes())

    body.__doc__ = doc
    return task(name=name)(body)


lint = _task("lint", "Run `nox -s lint`; what stands after -- is passed on, as with all of these.")
format_ = _task("format", "Run `nox -s format`.")
typecheck = _task("typecheck", "Run `nox -s typecheck`.")
tests = _task("tests", "Run `nox -s tests`.")
precommit = _task("precommit", "Run `nox -s precommit`.")


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
        "stop": "End the project's tools containers, whatever runs in them.",
        "shell": "Open a shell in the container, which is started if need be.",
        "logins": "Let the shell have the passwords and tokens of this machine's network.",
        "json": "Print it for scripts.",
    }
)
def tools(c: Context, stop: bool = False, shell: bool = False, logins: bool = False, json: bool = False) -> None:
    """Show the container that checks run in; stop it, or open a shell in it."""
    settings = project.load(Path.cwd())
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

    doors = wiring.doors(settings)
    code = run.run_in_tools(settings, doors, ("bash",), os.environ, patient=True, logins=logins)
    if code:
        raise CommandFailed(f"the shell ended with exit code {code}", code)


def _show(settings: Settings, json: bool) -> None:
    from goldi_tasks.checks import warm_container

    found = warm_container.listed(settings)
    if json:
        print(json_.dumps(found, indent=2))
        return
    for row in found:
        jobs = row["checks"]
        print(f"{row['name']}  {row['status']}  image {row['image'][7:19]}  {len(jobs)} running")
        for job in jobs:
            print(f"  {job}")
    if not found:
        print("no tools container; the next check starts one")


def _nox(*arguments: str) -> None:
    """Run nox in the project's directory. Raises NotAProject, CommandFailed with nox's exit code, Interrupted."""
    process.live(Command((*noxfile.nox(project.load(Path.cwd())), *arguments)))
