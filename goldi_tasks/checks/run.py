"""One command in the tools image: found or made ready, run, and told how it ended."""

import errno
import os
import shlex
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from goldi_tasks import atomic, locks, ownership, process, state
from goldi_tasks.checks import agent_client, check_arguments, container, environment
from goldi_tasks.checks.check_arguments import Job, Tools
from goldi_tasks.client import system_info
from goldi_tasks.errors import (
    CheckLost,
    GoldiError,
    Interrupted,
    NoPermission,
    NoSpace,
    NotAProject,
    NotSeen,
    UnknownName,
    is_disk_full,
)
from goldi_tasks.settings import Settings


def run_in_tools(
    settings: Settings,
    argv: Sequence[str],
    env: Mapping[str, str],
    named: Mapping[str, str | None] | None = None,
    *,
    patient: bool = False,
    logins: bool = False,
) -> int:
    """Run `argv` in the tools image, in the current directory; its exit code.

    `env` is the caller's environment, of which a tool is told what concerns it; `named` is all given, as written. If
    `patient`, Ctrl-C is the program's own business; if `logins`, it gets those of this machine's network. Raises
    SettingsError, Interrupted, UnknownName, CheckLost, NotSeen, and what a build or docker raises.
    """
    shared = environment.shared(settings)
    host = system_info.host()
    named = named or {}
    both = {**env, **{name: value for name, value in named.items() if value is not None}}
    general = {name: value for name, value in check_arguments.environment(both, host).items() if name not in named}
    name = f"{uuid.uuid4().hex}.job"
    secrets = check_arguments.carry(named)
    if logins:
        from goldi_tasks import network  # 5 ms

        secrets |= {check_arguments.LOGINS: network.text(settings)}
    job = Job(name, tuple(argv), general, Path.cwd(), "" if patient else "6", secrets)
    try:
        # A container shares it, as the same user.
        state.make(shared, ownership.owner())
        atomic.give_tree(shared, ownership.owner())
        for again in (False, True):
            tools = container.tools(settings, again)
            if not any(job.cwd.is_relative_to(tree) for tree in tools.trees):
                raise NotAProject(f"{job.cwd} is not in {tools.trees[0]}", "Change to a directory of the project")
            with _file(shared / job.file, f"# {tools.name} {shlex.join(argv)}") as (life, said):
                handed = None if patient or host.tty or not settings.warm else agent_client.run(tools, job)
                code, words = (_attend(tools, job, life), said()) if handed is None else (0, handed)
            if words or code == check_arguments.BLIND:
                return _outcome(argv[0], tools, code, words, patient)
    except OSError as error:
        raise _refused(shared, error) from error
    raise CheckLost(f"{argv[0]} could not be started in the tools container", "Try `inv ci.tools --stop`")


def _attend(tools: Tools, job: Job, life: int) -> int:
    host = system_info.host()

    def let_go() -> None:
        locks.release(life)

    if tools.settings.warm:
        command = check_arguments.inside(tools, host, job)
        return process.attend(
            command, let_go, lambda: process.capture(check_arguments.end(tools, job)), apart=not host.tty
        )
    from goldi_tasks import network  # 5 ms, which a warm container does without

    environment.furnish(tools)
    with network.file(tools.settings, with_logins=check_arguments.LOGINS in job.secrets) as told:
        # As a file: `docker inspect` shows the variables that a container is started with.
        alone = replace(
            job, secrets={name: value for name, value in job.secrets.items() if name != check_arguments.LOGINS}
        )
        command = check_arguments.fresh(tools, host, told, environment.git(tools.settings, tools.trees), alone)
        return process.attend(command, let_go, apart=not host.tty)


def _refused(shared: Path, error: OSError) -> GoldiError:
    """What is wrong with the state directory."""
    if is_disk_full(error):
        return NoSpace(f"the disk of {shared} is full", "Free some, or set XDG_STATE_HOME to another")
    if error.errno == errno.E2BIG:
        return CheckLost(
            "the arguments and variables of the check are too long for this system", "Put them into a file"
        )
    return NoPermission(f"{error.filename or shared} cannot be used: {error.strerror}", "Set XDG_STATE_HOME to another")


def _outcome(tool: str, tools: Tools, code: int, words: list[str], patient: bool) -> int:
    """What the file of a check says of it; docker's own exit code may say something else."""
    if code == check_arguments.BLIND and not words:
        problem = f"the engine does not see {tools.shared}: it comes up empty in containers"
        raise NotSeen(problem, "Share it with the VM that the engine runs in, or set XDG_STATE_HOME")
    if words[-1] == "unknown":
        problem = f"the tools image has no program '{tool}'"
        raise UnknownName(problem, "Lock it in requirements-dev.lock, or correct the name")
    if words[-1] == "offline":
        problem = "the tools image has no program 'online', through which checks are run"
        remedy = "COPY --chmod=755 infrastructure/docker/scripts/online.sh /usr/local/bin/online"
        raise UnknownName(problem, f"Add to the stage `tools` of the Dockerfile: `{remedy}`")
    if words[-1] == "refused":
        problem = f"{tool} cannot be started in the tools container"
        raise CheckLost(problem, "Look whether it may be executed, and how large its arguments and variables are")
    if "interrupted" in words and not patient:
        raise Interrupted
    if not words[-1].isdigit():
        problem = f"the tools container ended while {tool} ran in it"
        raise CheckLost(problem, "Run it again; if it was short of memory, give the engine more")
    return int(words[-1])


@contextmanager
def _file(path: Path, title: str) -> Iterator[tuple[int, Callable[[], list[str]]]]:
    """The file of a check, held as long as somebody waits for it; what it says is asked for by a call."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        locks.acquire(handle)
        atomic.give(path, ownership.owner())
        os.write(handle, " ".join([*title.split("\n"), "\n"]).encode(errors="surrogateescape"))
        yield handle, lambda: path.read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    finally:
        os.close(handle)
        path.unlink(missing_ok=True)
