"""A dev container's life: up, again, anew, down."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from goldi_tasks import process, state
from goldi_tasks.bake import builds
from goldi_tasks.command import Command
from goldi_tasks.devcontainer import devcontainer_arguments, devcontainer_cli, devcontainers, prepare
from goldi_tasks.devcontainer.cli_events import Story
from goldi_tasks.devcontainer.devcontainer_arguments import Found
from goldi_tasks.errors import CommandFailed, NotAProject
from goldi_tasks.invocation import as_typed
from goldi_tasks.settings import Settings


def up(settings: Settings) -> dict[str, Any]:
    """Build the image where it is stale and have a container of it run; return what a script wants to know.

    A container that runs is left alone, with a warning if its image is older; one that is stopped is recreated then.
    Raises what a build raises, NotAProject, NoDevcontainer, CommandFailed, NoEngine, NoPermission.
    """
    began = time.monotonic()
    file = config(settings)
    with ThreadPoolExecutor() as pool:
        # Each asks programs for a tenth of a second.
        asked, prepared = pool.submit(_look, settings), pool.submit(prepare.early, settings)
        image = builds.ensure_image(settings, "devcontainer")
        there = asked.result()
        prepared.result()
    runs = any(row.running for row in there)
    older = any(row.image != image for row in there) and not process.is_dry()
    if runs and older:
        print(
            as_typed("goldi: the container has an older image; `inv devcontainer.rebuild` takes the new one"),
            flush=True,
        )
    if not (runs and prepare.ready(settings, file, there[0])):
        anew = not runs and (older or any(_lost(row) for row in there))
        data = state.folder("devcontainer-cli", "data")
        there = _run(devcontainer_arguments.up(devcontainer_cli.program(), settings, _agent(), data, anew))
        prepare.remember(settings, file, there)
    return {
        "container": there[0].id if there else "",
        "user": there[0].user if there else "",
        "workspace": str(settings.project),
        "started": not runs,
        "older": runs and older,
        "seconds": round(time.monotonic() - began, 2),
    }


def down(settings: Settings) -> list[str]:
    """Remove the project's dev containers and what was made for them; the ids. Raises NoEngine, NoPermission."""
    ids = [row.id for row in devcontainers.containers(settings)]
    if ids and process.is_dry():
        print(devcontainer_arguments.remove(ids))
    elif ids:
        process.capture(devcontainer_arguments.remove(ids))
    links = prepare.links(settings)
    if links.is_dir() and not links.is_symlink() and not process.is_dry():
        shutil.rmtree(links)
    return ids


def config(settings: Settings) -> Path:
    """The project's devcontainer.json. Raises NotAProject."""
    file = settings.project / devcontainer_arguments.CONFIG
    if not file.is_file():
        raise NotAProject(
            f"{settings.project} has no {devcontainer_arguments.CONFIG}", "Copy .devcontainer into this project"
        )
    return file


def _look(settings: Settings) -> list[Found]:
    """The project's containers, as they were. One that was stopped is started, while other things are looked at."""
    there = devcontainers.containers(settings)
    if there and not there[0].running and not _lost(there[0]) and not process.is_dry():
        # The CLI tries it again, and tells why it cannot be.
        with suppress(CommandFailed):
            process.capture(devcontainer_arguments.start(there[0]))
    return there


def _run(command: Command) -> list[Found]:
    """The container that is up then."""
    if process.is_dry():
        print(command)
        return []
    story = Story()
    try:
        with process.stream(command, whole=True) as texts:
            for text in texts:
                for line in story.hear(text):
                    print(line, flush=True)
    except CommandFailed as error:
        problem, remedy = story.failure()
        raise CommandFailed(problem, error.code, remedy) from error
    return devcontainers.inspected([str(story.result["containerId"])])


def _agent() -> str:
    """The socket of the caller's ssh agent, "" if there is none."""
    path = os.environ.get("SSH_AUTH_SOCK", "")
    return path if path and Path(path).is_socket() else ""


def _lost(there: Found) -> bool:
    """Whether what it mounts is gone or another one, as an ssh agent is after each login: it could not start."""
    was = there.mounts.get(devcontainer_arguments.AGENT)
    return was is not None and was != _agent()
