"""What initialize.sh makes for a dev container, made while the image is looked at; and what is remembered of one."""

import hashlib
from contextlib import suppress
from pathlib import Path

from goldi_tasks import network, process, state
from goldi_tasks.command import Command
from goldi_tasks.devcontainer import devcontainer_arguments
from goldi_tasks.devcontainer.devcontainer_arguments import Found
from goldi_tasks.errors import CommandFailed
from goldi_tasks.settings import Settings


def links(settings: Settings) -> Path:
    """The directory that it makes. It may not exist."""
    return settings.project / devcontainer_arguments.CONFIG.with_name(".local")


def early(settings: Settings) -> None:
    """Run the script now, so that it has nothing left to do when the CLI runs it. Raises CommandFailed.

    The host's network configuration is put where the container finds it.
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
        # It says who speaks, and what to do.
        said = error.problem.splitlines()[-1].removeprefix("initialize.sh: ")
        problem = said.removeprefix("goldi: ").removeprefix("setup-cache: ")
        raise CommandFailed(problem, error.code) from error
    state.rewrite(links(settings) / "build_env", network.text(settings))


def ready(settings: Settings, file: Path, there: Found) -> bool:
    """Whether the CLI made this container ready since its last start, by what the configuration `file` says now."""
    mark = links(settings) / "ready"
    return mark.is_file() and mark.read_text(encoding="utf-8") == _mark(file, there)


def remember(settings: Settings, file: Path, there: list[Found]) -> None:
    """So that the CLI, which takes half a second, need not look at it again."""
    if there and there[0].running and links(settings).is_dir():
        with suppress(OSError):
            state.write(links(settings) / "ready", _mark(file, there[0]))


def _mark(file: Path, there: Found) -> str:
    return f"{there.id} {there.started} {hashlib.sha256(file.read_bytes()).hexdigest()}\n"
