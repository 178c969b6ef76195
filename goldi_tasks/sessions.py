"""Register nox sessions whose commands run in the project's tools image, with `container_session`.

A noxfile has one line for each session, and is the only list of a project's checks:

    from goldi_tasks.sessions import container_session

    lint = container_session("lint", "ruff", "check")
    tests = container_session("tests", "pytest")
"""

import inspect
import os
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nox
from nox.command import CommandFailed as NoxCommandFailed
from nox.registry import session_decorator

from goldi_tasks import inside_container
from goldi_tasks import settings as project
from goldi_tasks.errors import GoldiError
from goldi_tasks.settings import Settings

__all__ = ["POSARGS", "container_session"]

POSARGS = "{posargs}"


def container_session(
    name: str,
    *command: str,
    commands: Iterable[Sequence[str]] = (),
    env: Mapping[str, str | None] | None = None,
    success_codes: Collection[int] = (0,),
    keep_going: bool = False,
    logins: bool = False,
    tags: Sequence[str] | None = None,
    default: bool = True,
    doc: str = "",
) -> Any:
    """Register and return a nox session `name` that runs `command`, or several `commands`, in the tools image.

    Arguments after nox's `--` replace an argument "{posargs}"; without one they are appended to the last command.
    `env` is added unchanged to the caller's variables for tools; None removes a variable. A command may end with any of
    `success_codes`; with another one the session fails with that code, and later commands run only with `keep_going`:
    right for independent checks, wrong where one command prepares the next or must not run after a failure. With
    `logins` the commands get the passwords and tokens of this machine's network (pip's and npm's configuration,
    .netrc), for checks that download with them. Sessions may run in parallel (`nox -j`, from nox 2026.8). `doc` is
    printed by `nox --list`. Raises ValueError if there is no command.
    """
    command_lines = [tuple(argv) for argv in ([command] if command else []) + list(commands)]
    if not command_lines or not all(command_lines):
        raise ValueError(f"container_session({name!r}) has no command")

    def run_commands(session: nox.Session) -> None:
        failures = []
        for argv in _fill_posargs(command_lines, session.posargs):
            session.log(shlex.join(argv))
            exit_code = _run(session, argv, env or {}, logins)
            if exit_code not in success_codes:
                problem = f"Command {shlex.join(argv)} failed with exit code {exit_code}"
                session.warn(problem)
                failures.append(NoxCommandFailed(problem, return_code=exit_code))
                if not keep_going:
                    break
        if failures:
            raise failures[0]

    run_commands.__doc__ = doc or f"{' and '.join(shlex.join(argv) for argv in command_lines)}, in the tools image."
    options: dict[str, Any] = {"name": name, "tags": tags, "default": default}
    if "allow_parallel" in inspect.signature(session_decorator).parameters:
        options["allow_parallel"] = True
    if _on_host():
        # Keep an environment that is ready.
        return nox.session(**options, venv_backend="venv", reuse_venv=True)(run_commands)
    return nox.session(**options, venv_backend="none")(run_commands)


def _run(session: nox.Session, argv: tuple[str, ...], env: Mapping[str, str | None], logins: bool) -> int:
    """Run `argv` in the tools image, in this container or on the host; return its exit code.

    Raises KeyboardInterrupt; a GoldiError ends the session.
    """
    try:
        settings = project.load(Path.cwd())
        if inside_container.is_inside():
            return _run_here(session, argv, env)
        if settings.run == "host":
            _install_lock(session, settings)
            return _run_here(session, argv, env)
        # 20 ms that `nox --list` does not need.
        from goldi_tasks.cache import last_use, usage_lock
        from goldi_tasks.checks import run
        from goldi_tasks.maintenance import prune_afterwards

        last_use.record_project_path(settings.key, settings.project)
        with prune_afterwards(settings.project), usage_lock.hold_shared_lock():
            variables = {**session.env, **env}
            return run.run_in_tools(settings, argv, os.environ, variables, logins=logins)
    except GoldiError as error:
        # nox adds the full stop.
        session.error(f"goldi: {str(error).removesuffix('.')}")


def _run_here(session: nox.Session, argv: tuple[str, ...], env: Mapping[str, str | None]) -> int:
    """Run `argv` without a container, as nox does; return its exit code."""
    try:
        session.run(*argv, env=dict(env), log=False, external=inside_container.is_inside(), success_codes=[0])
    except NoxCommandFailed as error:
        return error.return_code or 1
    return 0


def _install_lock(session: nox.Session, settings: Settings) -> None:
    """Install the lock file of the tools image into the session's environment, unless it is installed already."""
    from goldi_tasks.checks import environment

    lock = environment.lock(settings)
    mark = Path(session.virtualenv.location) / "goldi.lock"
    if mark.is_file() and mark.read_bytes() == lock.read_bytes():
        return
    session.install("--quiet", "--require-hashes", "--requirement", str(lock))
    mark.write_bytes(lock.read_bytes())


def _fill_posargs(command_lines: list[tuple[str, ...]], posargs: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the commands with the arguments that were given after `--`."""
    if not any(POSARGS in argv for argv in command_lines):
        return [*command_lines[:-1], (*command_lines[-1], *posargs)]
    return [
        tuple(argument for argument in argv for argument in (posargs if argument == POSARGS else (argument,)))
        for argv in command_lines
    ]


def _on_host() -> bool:
    """Return whether checks run on the host. Invalid settings are reported when a check runs."""
    try:
        return project.load(Path.cwd()).run == "host" and not inside_container.is_inside()
    except GoldiError:
        return False
