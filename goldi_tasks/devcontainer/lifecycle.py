"""Start, recreate and remove the dev container."""

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
from goldi_tasks.devcontainer.cli_events import UpEvents
from goldi_tasks.devcontainer.devcontainer_arguments import DevContainer
from goldi_tasks.errors import CommandFailed, NotAProject
from goldi_tasks.invocation import as_typed
from goldi_tasks.settings import Settings


def up(settings: Settings) -> dict[str, Any]:
    """Build the image if it is stale and start a container of it; return what a script needs, in plain types.

    A running container is left alone, with a warning if its image is older; a stopped one is recreated in that case.
    Raises what a build raises, NotAProject, NoDevcontainer, CommandFailed, NoEngine, NoPermission.
    """
    started_at = time.monotonic()
    file = config(settings)
    with ThreadPoolExecutor() as pool:
        # Each of these runs programs for 0.1 s.
        listed, prepared = pool.submit(_list_and_start, settings), pool.submit(prepare.early, settings)
        image = builds.ensure_image(settings, "devcontainer")
        containers = listed.result()
        prepared.result()
    is_running = any(container.running for container in containers)
    is_outdated = any(container.image != image for container in containers) and not process.is_dry()
    if is_running and is_outdated:
        print(
            as_typed(
                "goldi: the container uses an older image; `inv devcontainer.rebuild` recreates it from the new one"
            ),
            flush=True,
        )
    if not (is_running and prepare.ready(settings, file, containers[0])):
        recreate = not is_running and (is_outdated or any(_has_stale_agent(container) for container in containers))
        data = state.folder("devcontainer-cli", "data")
        containers = _run_cli(
            devcontainer_arguments.up(devcontainer_cli.program(), settings, _find_agent_socket(), data, recreate)
        )
        prepare.remember(settings, file, containers)
    return {
        "container": containers[0].id if containers else "",
        "user": containers[0].user if containers else "",
        "workspace": str(settings.project),
        "started": not is_running,
        "older": is_running and is_outdated,
        "seconds": round(time.monotonic() - started_at, 2),
    }


def down(settings: Settings) -> list[str]:
    """Remove the project's dev containers and their files; return the ids. Raises NoEngine, NoPermission."""
    ids = [container.id for container in devcontainers.containers(settings)]
    if ids and process.is_dry():
        print(devcontainer_arguments.remove(ids))
    elif ids:
        process.capture(devcontainer_arguments.remove(ids))
    links = prepare.links(settings)
    if links.is_dir() and not links.is_symlink() and not process.is_dry():
        shutil.rmtree(links)
    return ids


def config(settings: Settings) -> Path:
    """Return the project's devcontainer.json. Raises NotAProject."""
    file = settings.project / devcontainer_arguments.CONFIG
    if not file.is_file():
        raise NotAProject(
            f"{settings.project} has no {devcontainer_arguments.CONFIG}", "Copy .devcontainer into this project"
        )
    return file


def _list_and_start(settings: Settings) -> list[DevContainer]:
    """Return the project's containers in their present state; start a stopped one, while other things are checked."""
    containers = devcontainers.containers(settings)
    if containers and not containers[0].running and not _has_stale_agent(containers[0]) and not process.is_dry():
        # If this fails, the CLI tries it again and reports why it fails.
        with suppress(CommandFailed):
            process.capture(devcontainer_arguments.start(containers[0]))
    return containers


def _run_cli(command: Command) -> list[DevContainer]:
    """Run the CLI and show its progress; return the container that is up then. Raises CommandFailed."""
    if process.is_dry():
        print(command)
        return []
    events = UpEvents()
    try:
        with process.stream(command, whole=True) as chunks:
            for chunk in chunks:
                for line in events.feed(chunk):
                    print(line, flush=True)
    except CommandFailed as error:
        problem, remedy = events.failure()
        raise CommandFailed(problem, error.code, remedy) from error
    return devcontainers.inspected([str(events.result["containerId"])])


def _find_agent_socket() -> str:
    """Return the socket of the caller's ssh agent, "" if there is none."""
    path = os.environ.get("SSH_AUTH_SOCK", "")
    return path if path and Path(path).is_socket() else ""


def _has_stale_agent(container: DevContainer) -> bool:
    """Return whether its ssh agent is gone or another one, as after each login: then it cannot be started."""
    mounted_agent = container.mounts.get(devcontainer_arguments.AGENT)
    return mounted_agent is not None and mounted_agent != _find_agent_socket()
