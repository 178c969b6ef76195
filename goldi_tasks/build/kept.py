"""What is kept of a project's inputs between runs; a file of another version counts as none."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goldi_tasks import state
from goldi_tasks.settings import Settings

# A change of what is fingerprinted, or how, must not meet fingerprints of before.
VERSION = 2


def read(settings: Settings) -> dict[str, Any]:
    """What was kept; nothing if it is not there, or was written by something else."""
    try:
        kept = json.loads(file(settings).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) and kept.get("version") == VERSION else {}


def write(settings: Settings, kept: dict[str, Any]) -> None:
    """Keep `kept`, if it can be."""
    try:
        state.write(file(settings), json.dumps({**kept, "version": VERSION}))
    except OSError:
        # The next build asks the builder, and that is all.
        return


def file(settings: Settings, environ: Mapping[str, str] = os.environ) -> Path:
    """Where it is kept, for a user with `environ`. It may not exist."""
    return state.folder("inputs", environ=environ) / f"{settings.key}.json"
