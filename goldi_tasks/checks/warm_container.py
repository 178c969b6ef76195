"""Start, find, list and end a project's tools container."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from goldi_tasks import locks, process, state
from goldi_tasks.checks import check_arguments, environment
from goldi_tasks.checks.check_arguments import ToolsContainer
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.errors import CheckLost, CommandFailed, NoSpace, PathNotShared, is_disk_full
from goldi_tasks.settings import Settings

# Seconds within which a new container has to lock its file.
_START_TIMEOUT = 10.0


class NoImage(Exception):
    """The image of a tools container does not exist."""


@contextmanager
def hold_lock(shared: Path) -> Iterator[None]:
    """Hold the project's lock during the block: no other process looks for its container or starts one."""
    with os.fdopen(state.open_lock(shared / "lock")) as file:
        locks.acquire(file.fileno())
        yield


def is_alive(tools: ToolsContainer) -> bool:
    """Return whether the container runs: it holds a lock on a file in the shared directory."""
    try:
        with _alive_file(tools).open() as file:
            return not locks.try_acquire(file.fileno(), shared=True)
    except FileNotFoundError:
        return False


def start(tools: ToolsContainer) -> None:
    """Start the container, unless it runs.

    Raises NoImage, PathNotShared, NoSpace, NoEngine, NoPermission, CheckLost.
    """
    from goldi_tasks import network  # 5 ms, only where a container is started

    _tidy(tools)
    environment.write_shared_files(tools)
    with network.file(tools.settings) as secret_file:
        command = check_arguments.start(tools, secret_file, environment.git(tools.settings, tools.trees))
        try:
            process.capture(command)
        except CommandFailed as error:
            if "is already in use" not in error.problem:
                raise translate_error(error) from error
            if not is_running(tools.name):
                process.capture(Command(("docker", "rm", "--force", tools.name)))
                process.capture(command)
        _wait_until_alive(tools)
    _retire_others(tools)


def is_running(name: str) -> bool:
    """Return whether docker lists a container of this name as running."""
    try:
        return process.capture(Command(("docker", "inspect", "--format", "{{.State.Running}}", name))).strip() == "true"
    except CommandFailed:
        return False


def list_containers(settings: Settings) -> list[dict[str, Any]]:
    """Return every tools container of the project, with the checks that run in it. Raises NoEngine, NoPermission.

    The keys are name, image, status and created, as docker prints them, and checks, a list of commands.
    """
    row_format, label = "{{json .}}", f"label={check_arguments.LABEL}={settings.key}"
    argv = ("docker", "ps", "--all", "--no-trunc", "--filter", label, "--format", row_format)
    try:
        rows = [json.loads(line) for line in process.capture(Command(argv)).splitlines()]
    except CommandFailed as error:
        # Raises the reason if no engine answers.
        system_info.engine_info()
        raise error from None
    checks = _running_checks(environment.shared(settings))
    return [
        {
            "name": row["Names"],
            "image": row["Image"],
            "status": row["Status"],
            "created": row["CreatedAt"],
            "checks": [argv for name, argv in checks if name == row["Names"]],
        }
        for row in rows
    ]


def stop(settings: Settings) -> list[str]:
    """Remove every tools container of the project, even if checks run in it; return their names."""
    names = [str(container["name"]) for container in list_containers(settings)]
    if names:
        process.capture(Command(("docker", "rm", "--force", *names)))
    return names


def _running_checks(shared: Path) -> list[tuple[str, str]]:
    """Return container and command of every check whose file is locked by a caller."""
    checks = []
    for file in shared.glob("*.job"):
        with suppress(OSError, ValueError), file.open(encoding="utf-8") as handle:
            if not locks.try_acquire(handle.fileno(), shared=True):
                name, argv = handle.readline().removeprefix("# ").rstrip().split(" ", 1)
                checks.append((name, argv))
    return checks


def translate_error(error: CommandFailed) -> Exception:
    """Return the exception for a failed `docker run`. Raises NoEngine or NoPermission if no engine answers."""
    message = error.problem
    if "No such image" in message or "not find image" in message.lower() or "No such object" in message:
        return NoImage(message)
    if "bind source path does not exist" in message:
        path = message.partition("bind source path does not exist:")[2].strip().splitlines()[0]
        return PathNotShared(f"the engine does not see {path}", "Share it with the VM that the engine runs in")
    if is_disk_full(message):
        return NoSpace("the disk is full: no tools container can be started", "Free some, see `inv cache.status`")
    # Raises the reason if no engine answers.
    system_info.engine_info()
    # The next lines are advice about docker's command line.
    first_line = message.partition("\n")[0]
    return CheckLost(f"no tools container can be started: {first_line}", "See `docker info`, or set GOLDI_RUN=host")


def _wait_until_alive(tools: ToolsContainer) -> None:
    """Wait until the container holds the lock on its file. Raises CheckLost if it has ended."""
    started_at = time.monotonic()
    next_inspection = 0.5
    while not is_alive(tools):
        time.sleep(0.002)
        elapsed = time.monotonic() - started_at
        if elapsed > next_inspection:
            next_inspection += 1.0
            if not is_running(tools.name):
                problem = "the tools container ended as soon as it was started"
                raise CheckLost(problem, f"Try `docker run --rm -it {tools.image} sh`")
        if elapsed > _START_TIMEOUT:
            # Locks in a VM are not visible here; a check will find out whether the container runs.
            return


def _alive_file(tools: ToolsContainer) -> Path:
    return tools.shared / f"{tools.name}.alive"


def _tidy(tools: ToolsContainer) -> None:
    """Remove the files of checks and containers that have ended."""
    for file in (*tools.shared.glob("*.job"), *tools.shared.glob("*.alive")):
        with suppress(OSError), file.open() as handle:
            if locks.try_acquire(handle.fileno()):
                file.unlink()
                (tools.shared / f"{file.stem[-12:]}.sock").unlink(missing_ok=True)


def _retire_others(tools: ToolsContainer) -> None:
    """Let the project's other containers, for another image, user or directory, end after their last check."""
    for file in tools.shared.glob("*.alive"):
        if file.stem != tools.name:
            with suppress(CommandFailed):
                process.capture(check_arguments.retire(file.stem))
