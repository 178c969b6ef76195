"""Determine which checkout owns a stack and its volumes: two checkouts of a project use one stack name."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

from goldi_tasks import process, state
from goldi_tasks.command import Command
from goldi_tasks.compose.compose_arguments import FOLDER_LABEL
from goldi_tasks.compose.containers import Container
from goldi_tasks.errors import StackRefused
from goldi_tasks.settings import Settings


def expect_ours(settings: Settings, name: str, containers: Sequence[Container]) -> None:
    """Require that no container of the stack belongs to another checkout. Raises StackRefused."""
    for container in containers:
        folder = Path(container.folder or settings.project)
        if not is_in(folder, settings.project):
            remedy = "Take it down there, or set COMPOSE_PROJECT_NAME to another name here"
            if not folder.is_dir():
                remedy = f"That directory no longer exists: run `docker compose --project-name {name} down`"
            raise StackRefused(f"the stack '{name}' belongs to {folder}", remedy)


def is_in(folder: Path, project: Path) -> bool:
    """Return whether a directory belongs to the checkout `project`, and not to another checkout inside it."""
    parents = takewhile(lambda directory: directory != project, (folder, *folder.parents))
    return folder.is_relative_to(project) and not any((directory / ".git").exists() for directory in parents)


def remember(
    settings: Settings, volumes: Sequence[Mapping[str, Any]], earlier_volumes: Sequence[Mapping[str, Any]]
) -> None:
    """Record that this checkout created the volumes that did not exist before. A failure is ignored."""
    earlier_identities = {_identify(volume) for volume in earlier_volumes}
    for volume in volumes:
        if _identify(volume) not in earlier_identities:
            with suppress(OSError):
                state.write(
                    _record_file(volume), json.dumps({"made": _identify(volume), "project": str(settings.project)})
                )


def maker(volume: Mapping[str, Any]) -> Path | None:
    """Return the checkout that created a volume; None if no task of ours created it."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        record = json.loads(_record_file(volume).read_text(encoding="utf-8"))
        if record["made"] == _identify(volume):
            return Path(record["project"])
    return None


def expect_not_theirs(settings: Settings, volumes: Sequence[Mapping[str, Any]]) -> None:
    """Require that no volume holds data of another existing checkout. Raises StackRefused."""
    for volume in volumes:
        if other := _find_other_maker(settings, volume):
            remedy = "Set COMPOSE_PROJECT_NAME to another name here, or run `inv compose.down --volumes` there"
            raise StackRefused(f"the volume {volume['Name']} holds data of {other}", remedy)


def find_unknown_volumes(settings: Settings, volumes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the volumes whose checkout is unknown.

    Raises StackRefused for a volume of another checkout: it created the volume, or a container of it uses the volume.
    """
    unknown_names = []
    for volume in volumes:
        name = str(volume["Name"])
        template = f'{{{{.Label "{FOLDER_LABEL}"}}}}'
        command = Command(("docker", "ps", "--all", "--filter", f"volume={name}", "--format", template))
        user_folders = [Path(line) for line in process.capture(command).splitlines() if line]
        other_folders = [folder for folder in user_folders if not is_in(folder, settings.project)]
        if other := _find_other_maker(settings, volume):
            other_folders.append(other)
        if other_folders:
            remedy = "Run `inv compose.down --volumes` there, or set COMPOSE_PROJECT_NAME to another name here"
            raise StackRefused(f"the volume {name} belongs to {other_folders[0]}", remedy)
        if maker(volume) != settings.project and not user_folders:
            unknown_names.append(name)
    return unknown_names


def _find_other_maker(settings: Settings, volume: Mapping[str, Any]) -> Path | None:
    """Return the other checkout that created a volume, if it still exists."""
    checkout = maker(volume)
    return checkout if checkout and checkout != settings.project and checkout.is_dir() else None


def _record_file(volume: Mapping[str, Any]) -> Path:
    return state.folder("compose", "volumes") / f"{volume['Name']}.json"


def _identify(volume: Mapping[str, Any]) -> str:
    """Return the name and creation time of a volume, which identify it."""
    return f"{volume['Name']} {volume.get('CreatedAt', '')}"
