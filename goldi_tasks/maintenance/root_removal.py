"""Delete files that a container left as root by a helper container, which needs no password to be root.

It mounts only the cache directory, has no network, and runs our own safe_delete.py: a symbolic link cannot lead out of
the container, and a directory that replaced the cache directory is not touched.
"""

import json
import os
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from goldi_tasks import process
from goldi_tasks.cache import safe_delete
from goldi_tasks.cache.safe_delete import NotDeleted, Tally
from goldi_tasks.client import run_arguments
from goldi_tasks.errors import CommandFailed, Interrupted


def empty_in_container(
    top: int,
    folder: Path,
    only: str,
    *,
    keys: bool,
    tally: Tally,
    images: Iterable[str],
    strangers: bool = False,
) -> str:
    """Empty the directory that is open as `top` in a container of the first of `images` that the engine has.

    `only`, `keys` and `strangers` are as in safe_delete.py; `tally` is updated. Returns the image, "" if no
    container could do it. Raises Interrupted.
    """
    status = os.fstat(top)
    argv = (only, "strangers" if strangers else "keys" if keys else "-", f"{status.st_dev}:{status.st_ino}")
    for image in images:
        removed = _run(folder, image, argv)
        if removed is not None:
            _add(tally, removed)
            return image
    return ""


def _run(folder: Path, image: str, argv: tuple[str, ...]) -> dict[str, Any] | None:
    """Run safe_delete.py in a container and return the fields of its tally; None if that failed. Raises Interrupted."""
    name = f"goldi-clear-{uuid.uuid4().hex[:12]}"
    command = run_arguments.as_root(image, name, folder.resolve(), argv)
    # Standard input: neither has the image to contain the program, nor the engine to see its file.
    program = Path(safe_delete.__file__).read_text(encoding="utf-8")
    try:
        tally: dict[str, Any] = json.loads(process.capture(command, stdin=program))
    except (CommandFailed, ValueError):
        # No engine, no such image, no Python in it, or a replaced directory: the report names another remedy.
        return None
    except Interrupted:
        # Ctrl-C ended the client only; the container would go on.
        with suppress(CommandFailed):
            process.capture(run_arguments.remove(name))
        raise
    return tally


def _add(tally: Tally, removed: dict[str, Any]) -> None:
    """Add the container's tally. It went through the whole directory again, so its remaining files replace ours."""
    tally.freed += removed["freed"]
    tally.removed += removed["removed"]
    tally.left = [NotDeleted(**entry) for entry in removed["left"]]
    tally.unreadable = removed["unreadable"]
