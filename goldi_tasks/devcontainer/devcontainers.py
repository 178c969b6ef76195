"""List the project's dev containers, whether we, the CLI or VS Code created them, and run commands in them."""

import os
import uuid
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.client import system_info
from goldi_tasks.devcontainer import devcontainer_arguments
from goldi_tasks.devcontainer.devcontainer_arguments import DevContainer
from goldi_tasks.errors import CommandFailed, NoDevcontainer
from goldi_tasks.settings import Settings


def containers(settings: Settings) -> list[DevContainer]:
    """Return all dev containers of the project, running ones first. Raises NoEngine, NoPermission."""
    try:
        ids = process.capture(devcontainer_arguments.listed(settings.project)).split()
        return inspected(ids) if ids else []
    except CommandFailed:
        # Raises the precise error where no engine answers.
        system_info.engine_info()
        raise


def inspected(ids: list[str]) -> list[DevContainer]:
    """Return the dev containers with these ids. Raises CommandFailed."""
    return devcontainer_arguments.parse_containers(process.capture(devcontainer_arguments.inspected(ids)))


def running(settings: Settings) -> DevContainer:
    """Return the running dev container. Raises NoDevcontainer, NoEngine, NoPermission."""
    project_containers = containers(settings)
    if not project_containers or not project_containers[0].running:
        raise NoDevcontainer(f"no dev container of {settings.project} is running", "Run `inv devcontainer.up`")
    return project_containers[0]


def execute(settings: Settings, argv: tuple[str, ...]) -> int:
    """Run `argv` in the current directory, or in the project if that is elsewhere; return its exit code.

    Raises NoDevcontainer, NoEngine, NoPermission, Interrupted.
    """
    container = running(settings)
    host = system_info.host()
    current = Path.cwd()
    cwd = current if current.is_relative_to(settings.project) else settings.project
    mark = uuid.uuid4().hex
    command = devcontainer_arguments.exec_in_container(container, host, cwd, os.environ, mark, argv)
    if process.is_dry():
        print(command)
        return 0
    end_calls = [
        lambda signal=signal: process.capture(devcontainer_arguments.signal_processes(container, mark, signal))
        for signal in ("INT", "TERM", "KILL")
    ]
    # With a terminal, Ctrl-C reaches the program through that.
    return process.run_interruptible(command, *end_calls, apart=not host.tty)
