"""A command in the running dev container: by `docker exec`, since the CLI starts several programs for one."""

import os
import uuid
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.client import system_info
from goldi_tasks.devcontainer import devcontainer_arguments, devcontainers
from goldi_tasks.settings import Settings


def execute(settings: Settings, argv: tuple[str, ...]) -> int:
    """Run `argv` in the current directory, or in the project if that is not in it; its exit code.

    Raises NoDevcontainer, NoEngine, NoPermission, Interrupted.
    """
    into = devcontainers.running(settings)
    host = system_info.host()
    here = Path.cwd()
    cwd = here if here.is_relative_to(settings.project) else settings.project
    mark = uuid.uuid4().hex
    command = devcontainer_arguments.inside(into, host, cwd, os.environ, mark, argv)
    if process.is_dry():
        print(command)
        return 0
    ends = [
        lambda signal=signal: process.capture(devcontainer_arguments.end(into, mark, signal))
        for signal in ("INT", "TERM", "KILL")
    ]
    # On a terminal Ctrl-C reaches the program through it.
    return process.attend(command, *ends, apart=not host.tty)
