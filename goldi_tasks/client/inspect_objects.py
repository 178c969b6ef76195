"""Describe objects of the engine as `docker inspect` does; those that were removed meanwhile are left out."""

import json
from collections.abc import Sequence
from typing import Any

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed


def inspect_objects(kind: str, names: Sequence[str]) -> Sequence[dict[str, Any]]:
    """Return what docker says of each of `names` that exists; `kind` is such as container or volume.

    docker fails if one of several is missing, so each is asked for by itself then. Raises CommandFailed.
    """
    if not names:
        return []
    try:
        return list(json.loads(process.capture(Command(("docker", "inspect", "--type", kind, *names))) or "[]"))
    except CommandFailed as error:
        if len(names) > 1:
            return [row for name in names for row in inspect_objects(kind, [name])]
        if "no such" in error.problem.lower():
            return []
        raise
