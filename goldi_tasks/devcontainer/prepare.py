"""Run initialize.sh while the image is checked, and remember which container the CLI has made ready."""

import hashlib
from contextlib import suppress
from pathlib import Path

from goldi_tasks import network, process, state
from goldi_tasks.command import Command
from goldi_tasks.devcontainer import devcontainer_arguments
from goldi_tasks.devcontainer.devcontainer_arguments import DevContainer
from goldi_tasks.errors import CommandFailed
from goldi_tasks.settings import Settings


def links(settings: Settings) -> Path:
    """Return the directory that initialize.sh creates. It may not exist."""
    return settings.project / devcontainer_arguments.CONFIG.with_name(".local")


def early(settings: Settings) -> None:
    """Run initialize.sh now, so that it has nothing left to do when the CLI runs it. Raises CommandFailed.

    The host's network configuration is written to a file that the container reads.
    """
    script = settings.project / devcontainer_arguments.CONFIG.with_name("initialize.sh")
    if not script.is_file() or process.is_dry():
        return
    try:
        process.capture(
            Command(
                (str(script),),
                devcontainer_arguments.variables(settings) | {devcontainer_arguments.INITIALIZE: "early"},
            )
        )
    except CommandFailed as error:
        # The last line has a prefix with the script's name, and says what to do.
        message = error.problem.splitlines()[-1].removeprefix("initialize.sh: ")
        problem = message.removeprefix("goldi: ").removeprefix("setup-cache: ")
        raise CommandFailed(problem, error.code) from error
    state.rewrite(links(settings) / "build_env", network.text(settings))


def ready(settings: Settings, file: Path, container: DevContainer) -> bool:
    """Return whether the CLI made this container ready since its last start, by the present configuration `file`."""
    record = links(settings) / "ready"
    return record.is_file() and record.read_text(encoding="utf-8") == _identify(file, container)


def remember(settings: Settings, file: Path, containers: list[DevContainer]) -> None:
    """Record that the first container is ready, to save the CLI's check, which takes half a second."""
    if containers and containers[0].running and links(settings).is_dir():
        with suppress(OSError):
            state.write(links(settings) / "ready", _identify(file, containers[0]))


def _identify(file: Path, container: DevContainer) -> str:
    """Return what identifies a start of the container with a configuration."""
    return f"{container.id} {container.started} {hashlib.sha256(file.read_bytes()).hexdigest()}\n"
