"""`container_session`: a nox session whose commands run inside the project's tools image.

A noxfile has one line for each, and is the only list of a project's checks:

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
from goldi_tasks.cache import last_use, usage_lock
from goldi_tasks.checks import environment, run
from goldi_tasks.errors import GoldiError
from goldi_tasks.maintenance import tidied_after
from goldi_tasks.settings import Settings

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
    """Register a nox session `name` that runs `command`, or several `commands`, in the tools image; returns it.

    What is given to nox after `--` takes the place of an argument "{posargs}", and comes at the end of the last command
    where there is none. `env` arrives as written, beside what of the caller's environment concerns tools; None takes a
    variable away. A command may end with any of `success_codes`; with another one the session fails with that code. The
    commands after it are not run, unless they `keep_going`: right for checks that do not need each other, wrong where
    one prepares the next or must not run after a failure. With `logins` the commands have the passwords and tokens of
    this machine's network (pip's and npm's configuration, .netrc), for a check that downloads with them. Sessions may
    run in parallel (`nox -j`, from nox 2026.8). `doc` is what `nox --list` shows. Raises ValueError where there is no
    command.
    """
    lines = [tuple(line) for line in ([command] if command else []) + list(commands)]
    if not lines or not all(lines):
        raise ValueError(f"container_session({name!r}) has no command")

    def body(session: nox.Session) -> None:
        failures = []
        for line in _filled(lines, session.posargs):
            session.log(shlex.join(line))
            code = _run(session, line, env or {}, logins)
            if code not in success_codes:
                problem = f"Command {shlex.join(line)} failed with exit code {code}"
                session.warn(problem)
                failures.append(NoxCommandFailed(problem, return_code=code))
                if not keep_going:
                    break
        if failures:
            raise failures[0]

    body.__doc__ = doc or f"{' and '.join(shlex.join(line) for line in lines)}, in the tools image."
    options: dict[str, Any] = {"name": name, "tags": tags, "default": default}
    if "allow_parallel" in inspect.signature(session_decorator).parameters:
        options["allow_parallel"] = True
    if _on_host():
        # An environment that is ready stays.
        return nox.session(**options, venv_backend="venv", reuse_venv=True)(body)
    return nox.session(**options, venv_backend="none")(body)


def _run(session: nox.Session, line: tuple[str, ...], env: Mapping[str, str | None], logins: bool) -> int:
    """The exit code of `line`, wherever it runs. Raises KeyboardInterrupt; a failure of ours ends the session."""
    try:
        settings = project.load(Path.cwd())
        if inside_container.is_inside():
            return _bare(session, line, env)
        if _on_host():
            _install(session, settings)
            return _bare(session, line, env)
        last_use.remember(settings.key, settings.project)
        with tidied_after(settings.project), usage_lock.at_work():
            named = {**session.env, **env}
            return run.run_in_tools(settings, line, os.environ, named, logins=logins)
    except GoldiError as error:
        # nox ends the sentence itself.
        session.error(f"goldi: {str(error).removesuffix('.')}")


def _bare(session: nox.Session, line: tuple[str, ...], env: Mapping[str, str | None]) -> int:
    """Run it here, as nox does; its exit code."""
    try:
        session.run(*line, env=dict(env), log=False, external=inside_container.is_inside(), success_codes=[0])
    except NoxCommandFailed as error:
        return error.return_code or 1
    return 0


def _install(session: nox.Session, settings: Settings) -> None:
    """Bring the session's environment to the lock that the tools image is made from, unless it is there."""
    lock = environment.lock(settings)
    mark = Path(session.virtualenv.location) / "goldi.lock"
    if mark.is_file() and mark.read_bytes() == lock.read_bytes():
        return
    session.install("--quiet", "--require-hashes", "--requirement", str(lock))
    mark.write_bytes(lock.read_bytes())


def _filled(lines: list[tuple[str, ...]], posargs: Sequence[str]) -> list[tuple[str, ...]]:
    """The commands with what was given after `--`."""
    if not any(POSARGS in line for line in lines):
        return [*lines[:-1], (*lines[-1], *posargs)]
    return [tuple(part for word in line for part in (posargs if word == POSARGS else (word,))) for line in lines]


def _on_host() -> bool:
    """Whether checks run on the host. A setting that is wrong is told when one runs."""
    try:
        return project.load(Path.cwd()).run == "host" and not inside_container.is_inside()
    except GoldiError:
        return False
