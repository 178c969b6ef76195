"""Run a command in the running dev container with `docker exec`: the CLI starts several programs for that."""

import os
import uuid
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.client import system_info
from goldi_tasks.devcontainer import devcontainer_arguments, devcontainers
from goldi_tasks.settings import Settings


def execute(settings: Settings, argv: tuple[str, ...]) -> int:
    """Run `argv` in the current directory, or in the project if that is elsewhere; return its exit code.

    Raises NoDevcontainer, NoEngine, NoPermission, Interrupted.
    """
    container = devcontainers.running(settings)
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
