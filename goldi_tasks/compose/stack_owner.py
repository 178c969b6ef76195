"""Which checkout a stack and its volumes belong to: two checkouts of a project give their stacks one name."""

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


def expect_ours(settings: Settings, name: str, there: Sequence[Container]) -> None:
    """Raises StackRefused where a container of the stack belongs to another checkout."""
    for one in there:
        folder = Path(one.folder or settings.project)
        if not is_in(folder, settings.project):
            remedy = "Take it down there, or set COMPOSE_PROJECT_NAME to another name here"
            if not folder.is_dir():
                remedy = f"That directory is gone: `docker compose --project-name {name} down` ends what it left"
            raise StackRefused(f"the stack '{name}' belongs to {folder}", remedy)


def is_in(folder: Path, project: Path) -> bool:
    """Whether a directory is in the checkout `project`, and not in another one that lies in it."""
    between = takewhile(lambda one: one != project, (folder, *folder.parents))
    return folder.is_relative_to(project) and not any((one / ".git").exists() for one in between)


def remember(settings: Settings, now: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]]) -> None:
    """Keep that this checkout made the volumes that were not there `before`. Failing to keep it is no failure."""
    known = {_made(one) for one in before}
    for one in now:
        if _made(one) not in known:
            with suppress(OSError):
                state.write(_file(one), json.dumps({"made": _made(one), "project": str(settings.project)}))


def maker(volume: Mapping[str, Any]) -> Path | None:
    """The checkout that made a volume; None if it was not made by a task of ours."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        kept = json.loads(_file(volume).read_text(encoding="utf-8"))
        if kept["made"] == _made(volume):
            return Path(kept["project"])
    return None


def expect_not_theirs(settings: Settings, volumes: Sequence[Mapping[str, Any]]) -> None:
    """Raises StackRefused for a volume with data that another checkout made, which is still there."""
    for one in volumes:
        if other := _other_maker(settings, one):
            remedy = "Set COMPOSE_PROJECT_NAME to another name here, or run `inv compose.down --volumes` there"
            raise StackRefused(f"the volume {one['Name']} holds data of {other}", remedy)


def unknown(settings: Settings, volumes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Those of the volumes of which nobody knows which checkout they belong to.

    Raises StackRefused for one of another checkout: that one made it, or a container there holds it.
    """
    found = []
    for one in volumes:
        name = str(one["Name"])
        form = f'{{{{.Label "{FOLDER_LABEL}"}}}}'
        command = Command(("docker", "ps", "--all", "--filter", f"volume={name}", "--format", form))
        held = [Path(line) for line in process.capture(command).splitlines() if line]
        theirs = [folder for folder in held if not is_in(folder, settings.project)]
        if other := _other_maker(settings, one):
            theirs.append(other)
        if theirs:
            remedy = "Run `inv compose.down --volumes` there, or set COMPOSE_PROJECT_NAME to another name here"
            raise StackRefused(f"the volume {name} belongs to {theirs[0]}", remedy)
        if maker(one) != settings.project and not held:
            found.append(name)
    return found


def _other_maker(settings: Settings, volume: Mapping[str, Any]) -> Path | None:
    """Return the other checkout that made a volume, if it is still there."""
    made = maker(volume)
    return made if made and made != settings.project and made.is_dir() else None


def _file(volume: Mapping[str, Any]) -> Path:
    return state.folder("compose", "volumes") / f"{volume['Name']}.json"


def _made(volume: Mapping[str, Any]) -> str:
    """What tells a volume from another of its name."""
    return f"{volume['Name']} {volume.get('CreatedAt', '')}"
