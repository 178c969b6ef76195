"""Run one command in the tools image and return its exit code."""

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
from goldi_tasks.checks.check_arguments import Job, ToolsContainer
from goldi_tasks.client import system_info
from goldi_tasks.errors import (
    CheckLost,
    GoldiError,
    Interrupted,
    NoPermission,
    NoSpace,
    NotAProject,
    PathNotShared,
    UnknownName,
    is_disk_full,
)
from goldi_tasks.settings import Settings


def run_in_tools(
    settings: Settings,
    argv: Sequence[str],
    env: Mapping[str, str],
    session_variables: Mapping[str, str | None] | None = None,
    *,
    patient: bool = False,
    logins: bool = False,
) -> int:
    """Run `argv` in the tools image, in the current directory, and return its exit code.

    `env` is the caller's environment, of which only variables for tools are passed on; all of `session_variables` is.
    If `patient`, the program handles Ctrl-C itself; if `logins`, it gets the logins of this machine's network. Raises
    SettingsError, Interrupted, UnknownName, CheckLost, PathNotShared, NoPermission, NoSpace, and what a build or docker
    raises.
    """
    shared = environment.shared(settings)
    host = system_info.host()
    session_variables = session_variables or {}
    all_variables = {**env, **{name: value for name, value in session_variables.items() if value is not None}}
    forwarded = {
        name: value
        for name, value in check_arguments.environment(all_variables, host).items()
        if name not in session_variables
    }
    name = f"{uuid.uuid4().hex}.job"
    secrets = check_arguments.pack_variables(session_variables)
    if logins:
        from goldi_tasks import network  # 5 ms

        secrets |= {check_arguments.LOGINS: network.text(settings)}
    job = Job(name, tuple(argv), forwarded, Path.cwd(), "" if patient else "6", secrets)
    try:
        # The container uses the shared directory as the same user.
        state.make(shared, ownership.owner())
        atomic.change_tree_owner(shared, ownership.owner())
        for is_retry in (False, True):
            tools = container.ensure_container(settings, is_retry)
            if not any(job.cwd.is_relative_to(tree) for tree in tools.trees):
                raise NotAProject(f"{job.cwd} is not in {tools.trees[0]}", "Change to a directory of the project")
            with _job_file(shared / job.file, f"# {tools.name} {shlex.join(argv)}") as (handle, read_reports):
                exit_code = 0
                reports = None if patient or host.tty or not settings.warm else agent_client.run(tools, job)
                if reports is None:
                    exit_code = _run_with_docker(tools, job, handle)
                    reports = read_reports()
            if reports or exit_code == check_arguments.NOT_SHARED:
                return _interpret_reports(argv[0], tools, exit_code, reports, patient)
    except OSError as error:
        raise _state_error(shared, error) from error
    raise CheckLost(f"{argv[0]} could not be started in the tools container", "Try `inv ci.tools --stop`")


def _run_with_docker(tools: ToolsContainer, job: Job, handle: int) -> int:
    """Run `job` with docker and return docker's exit code. `handle` holds the lock on the job's file."""
    host = system_info.host()

    def release() -> None:
        locks.release(handle)

    if tools.settings.warm:
        command = check_arguments.exec_command(tools, host, job)
        return process.run_interruptible(
            command, release, lambda: process.capture(check_arguments.end(tools, job)), apart=not host.tty
        )
    from goldi_tasks import network  # 5 ms, not needed with a warm container

    environment.write_shared_files(tools)
    with network.file(tools.settings, with_logins=check_arguments.LOGINS in job.secrets) as secret_file:
        # The logins are in the secret file: `docker inspect` would show them among the container's variables.
        secrets = {name: value for name, value in job.secrets.items() if name != check_arguments.LOGINS}
        git_config = environment.git(tools.settings, tools.trees)
        command = check_arguments.run_command(tools, host, secret_file, git_config, replace(job, secrets=secrets))
        return process.run_interruptible(command, release, apart=not host.tty)


def _state_error(shared: Path, error: OSError) -> GoldiError:
    """Return the error for an OSError in the shared directory."""
    if is_disk_full(error):
        return NoSpace(f"the disk of {shared} is full", "Free some, or set XDG_STATE_HOME to another")
    if error.errno == errno.E2BIG:
        return CheckLost(
            "the arguments and variables of the check are too long for this system", "Put them into a file"
        )
    return NoPermission(f"{error.filename or shared} cannot be used: {error.strerror}", "Set XDG_STATE_HOME to another")


def _interpret_reports(tool: str, tools: ToolsContainer, exit_code: int, reports: list[str], patient: bool) -> int:
    """Return the check's exit code from the reports in its file, since docker's `exit_code` may be another one.

    Raises PathNotShared, UnknownName, CheckLost, Interrupted.
    """
    if exit_code == check_arguments.NOT_SHARED and not reports:
        problem = f"the engine does not see {tools.shared}: it is empty in containers"
        raise PathNotShared(problem, "Share it with the VM that the engine runs in, or set XDG_STATE_HOME")
    if reports[-1] == "unknown":
        problem = f"the tools image has no program '{tool}'"
        raise UnknownName(problem, "Lock it in requirements-dev.lock, or correct the name")
    if reports[-1] == "offline":
        problem = "the tools image has no program 'online', which runs the checks"
        remedy = "COPY --chmod=755 infrastructure/docker/scripts/online.sh /usr/local/bin/online"
        raise UnknownName(problem, f"Add to the stage `tools` of the Dockerfile: `{remedy}`")
    if reports[-1] == "refused":
        problem = f"{tool} cannot be started in the tools container"
        raise CheckLost(problem, "Check that it is executable, and that its arguments and variables are not too large")
    if "interrupted" in reports and not patient:
        raise Interrupted
    if not reports[-1].isdigit():
        problem = f"the tools container ended while {tool} ran in it"
        raise CheckLost(problem, "Run it again; if it was short of memory, give the engine more")
    return int(reports[-1])


@contextmanager
def _job_file(path: Path, title: str) -> Iterator[tuple[int, Callable[[], list[str]]]]:
    """Create and lock the file of a check, and remove it after the block; give its descriptor and a reader of reports.

    The lock tells the scripts in the container that a caller waits for the check. `title` is the file's first line.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        locks.acquire(handle)
        atomic.change_owner(path, ownership.owner())
        os.write(handle, " ".join([*title.split("\n"), "\n"]).encode(errors="surrogateescape"))
        yield handle, lambda: path.read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    finally:
        os.close(handle)
        path.unlink(missing_ok=True)
