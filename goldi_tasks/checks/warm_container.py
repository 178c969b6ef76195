"""The life of a project's tools container: started once, found again, told to end when it is another's turn."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from goldi_tasks import locks, process, state
from goldi_tasks.checks import check_arguments, environment
from goldi_tasks.checks.check_arguments import Tools
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.errors import CheckLost, CommandFailed, NoSpace, NotSeen, is_disk_full
from goldi_tasks.settings import Settings

# Seconds in which a container that was started has to say that it runs.
_START = 10.0


class NoImage(Exception):
    """The image of a tools container is not there."""


@contextmanager
def alone(shared: Path) -> Iterator[None]:
    """Nobody else looks for this project's container, or starts one, while the block runs."""
    with os.fdopen(state.open_lock(shared / "lock")) as file:
        locks.acquire(file.fileno())
        yield


def alive(tools: Tools) -> bool:
    """Whether the container runs: it holds a lock on a file that it shares with us."""
    try:
        with _sign(tools).open() as file:
            return not locks.try_acquire(file.fileno(), shared=True)
    except FileNotFoundError:
        return False


def start(tools: Tools) -> None:
    """Start the container, unless it runs. Raises NoImage, NotSeen, NoSpace, NoEngine, NoPermission, CheckLost."""
    from goldi_tasks import network  # 5 ms, for those who start one

    _tidy(tools)
    environment.furnish(tools)
    with network.file(tools.settings) as told:
        command = check_arguments.start(tools, told, environment.git(tools.settings, tools.trees))
        try:
            process.capture(command)
        except CommandFailed as error:
            if "is already in use" not in error.problem:
                raise explained(error) from error
            if not running(tools.name):
                process.capture(Command(("docker", "rm", "--force", tools.name)))
                process.capture(command)
        _await(tools)
    _retire_others(tools)


def running(name: str) -> bool:
    """Whether a container of this name runs."""
    try:
        return process.capture(Command(("docker", "inspect", "--format", "{{.State.Running}}", name))).strip() == "true"
    except CommandFailed:
        return False


def listed(settings: Settings) -> list[dict[str, Any]]:
    """Every tools container of the project, and the checks that run in it. Raises NoEngine, NoPermission."""
    form, label = "{{json .}}", f"label={check_arguments.LABEL}={settings.key}"
    argv = ("docker", "ps", "--all", "--no-trunc", "--filter", label, "--format", form)
    try:
        rows = [json.loads(line) for line in process.capture(Command(argv)).splitlines()]
    except CommandFailed as error:
        # Raises what there is to say where none answers.
        system_info.engine_info()
        raise error from None
    now = _checks(environment.shared(settings))
    return [
        {
            "name": row["Names"],
            "image": row["Image"],
            "status": row["Status"],
            "created": row["CreatedAt"],
            "checks": [argv for name, argv in now if name == row["Names"]],
        }
        for row in rows
    ]


def stop(settings: Settings) -> list[str]:
    """End every tools container of the project, whatever runs in it; their names."""
    names = [str(found["name"]) for found in listed(settings)]
    if names:
        process.capture(Command(("docker", "rm", "--force", *names)))
    return names


def _checks(shared: Path) -> list[tuple[str, str]]:
    """Container and command of every check that somebody waits for now."""
    found = []
    for file in shared.glob("*.job"):
        with suppress(OSError, ValueError), file.open(encoding="utf-8") as handle:
            if not locks.try_acquire(handle.fileno(), shared=True):
                name, argv = handle.readline().removeprefix("# ").rstrip().split(" ", 1)
                found.append((name, argv))
    return found


def explained(error: CommandFailed) -> Exception:
    """What docker said, as what it means."""
    said = error.problem
    if "No such image" in said or "not find image" in said.lower() or "No such object" in said:
        return NoImage(said)
    if "bind source path does not exist" in said:
        path = said.partition("bind source path does not exist:")[2].strip().splitlines()[0]
        return NotSeen(f"the engine does not see {path}", "Share it with the VM that the engine runs in")
    if is_disk_full(said):
        return NoSpace("the disk is full: no tools container can be started", "Free some, see `inv cache.status`")
    # Raises what there is to say where none answers.
    system_info.engine_info()
    # What follows is advice on docker's own command line.
    first = said.partition("\n")[0]
    return CheckLost(f"no tools container can be started: {first}", "See `docker info`, or set GOLDI_RUN=host")


def _await(tools: Tools) -> None:
    """Wait until the container says that it runs."""
    began = time.monotonic()
    asked = 0.5
    while not alive(tools):
        time.sleep(0.002)
        passed = time.monotonic() - began
        if passed > asked:
            asked += 1.0
            if not running(tools.name):
                problem = "the tools container ended as soon as it was started"
                raise CheckLost(problem, f"Try `docker run --rm -it {tools.image} sh`")
        if passed > _START:
            # Locks are not seen from within a VM; the checks will find it.
            return


def _sign(tools: Tools) -> Path:
    return tools.shared / f"{tools.name}.alive"


def _tidy(tools: Tools) -> None:
    """Remove the files of checks and containers that are gone."""
    for file in (*tools.shared.glob("*.job"), *tools.shared.glob("*.alive")):
        with suppress(OSError), file.open() as handle:
            if locks.try_acquire(handle.fileno()):
                file.unlink()
                (tools.shared / f"{file.stem[-12:]}.sock").unlink(missing_ok=True)


def _retire_others(tools: Tools) -> None:
    """What ran for another image, user or place ends when its last check has."""
    for file in tools.shared.glob("*.alive"):
        if file.stem != tools.name:
            with suppress(CommandFailed):
                process.capture(check_arguments.retire(file.stem))
