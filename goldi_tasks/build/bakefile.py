"""The project's bake file, read as the JSON that it is: names need no docker."""

import json
from collections.abc import Mapping
from typing import Any

from goldi_tasks import run
from goldi_tasks.errors import SettingsError
from goldi_tasks.plan import bake
from goldi_tasks.settings import Settings


def load(settings: Settings) -> Mapping[str, Any]:
    """The bake file of a project. Raises NotAProject, SettingsError if it is not JSON."""
    file = settings.bake_file
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid JSON: {error}", "Correct that line") from error
    tables = [read.get(name, {}) for name in ("group", "target", "variable")] if isinstance(read, dict) else [read]
    if not all(isinstance(table, dict) and all(isinstance(row, dict) for row in table.values()) for table in tables):
        raise SettingsError(f"{file} is not a bake file", "Give it tables of groups and targets, as bake wants them")
    return dict(read)


def printed(settings: Settings, targets: tuple[str, ...], env: Mapping[str, str]) -> dict[str, Any]:
    """What bake makes of its file for `targets`, with what they build on, by target; it takes 0.1 s.

    Raises CommandFailed, ValueError, LookupError.
    """
    found: dict[str, Any] = json.loads(run.capture(bake.show(settings, targets, env), cwd=settings.project))["target"]
    return found


def listing(settings: Settings) -> list[tuple[str, str, str]]:
    """Rows of name, kind (`group` or `target`) and what it stands for: a group's targets, a target's first tag."""
    file = load(settings)
    groups = [(name, "group", " ".join(group.get("targets", ()))) for name, group in file.get("group", {}).items()]
    tags = {name: file["target"][name].get("tags", [""])[0] for name in bake.public(file)}
    image = settings.image
    known = {"${GOLDI_IMAGE}": image, "${GOLDI_TAG}": file.get("variable", {}).get("GOLDI_TAG", {}).get("default", "")}
    return groups + [(name, "target", _fill(tag, known)) for name, tag in tags.items()]


def _fill(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text
