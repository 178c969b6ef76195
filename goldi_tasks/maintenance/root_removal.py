"""Remove what a container that ran as root left behind, by another one: the engine needs no password to be root.

It sees the cache directory and nothing else of the machine, has no network, and runs our own walk.py: a link leads
nowhere but into the container, and nothing that was put in the directory's place is touched.
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
from goldi_tasks.cache.safe_delete import Left, Tally
from goldi_tasks.client import run_arguments
from goldi_tasks.errors import CommandFailed, Interrupted


def empty(
    top: int,
    folder: Path,
    only: str,
    *,
    keys: bool,
    tally: Tally,
    images: Iterable[str],
    strangers: bool = False,
) -> str:
    """Empty the directory that is open as `top` by the first of `images` that is on the engine; see `walk`.

    `tally` is brought up to date. Returns the image, "" if no container could do it.
    """
    found = os.fstat(top)
    argv = (only, "strangers" if strangers else "keys" if keys else "-", f"{found.st_dev}:{found.st_ino}")
    for image in images:
        told = _run(folder, image, argv)
        if told is not None:
            _add(tally, told)
            return image
    return ""


def _run(folder: Path, image: str, argv: tuple[str, ...]) -> dict[str, Any] | None:
    """What walk.py tells, run in a container; None if it could not."""
    name = f"goldi-clear-{uuid.uuid4().hex[:12]}"
    command = run_arguments.as_root(image, name, folder.resolve(), argv)
    # It goes in through standard input: the image need not have it, and the engine need not see it.
    program = Path(safe_delete.__file__).read_text(encoding="utf-8")
    try:
        told: dict[str, Any] = json.loads(process.capture(command, stdin=program))
    except (CommandFailed, ValueError):
        # No engine, no such image, no Python in it, another directory there: the user is told what else to do.
        return None
    except Interrupted:
        # The client has ended; the container would go on.
        with suppress(CommandFailed):
            process.capture(run_arguments.remove(name))
        raise
    return told


def _add(tally: Tally, told: dict[str, Any]) -> None:
    """It went through all of the directory again: what it left is what is left."""
    tally.freed += told["freed"]
    tally.removed += told["removed"]
    tally.left = [Left(**left) for left in told["left"]]
    tally.unreadable = told["unreadable"]
