"""Let a tool prune the cache that it fills, by its own command: in an image that has it, else on this machine.

The image comes first, since what fills a cache knows all that is in it: an older `uv` takes what a newer one keeps for
rubbish. An image that is not there is not made for this.
"""

import shutil
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from goldi_tasks import ownership, process
from goldi_tasks.client import rootless, run_arguments, system_info
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, GoldiError, Interrupted
from goldi_tasks.paths import Cache

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "uv-cache": ("uv", "cache", "prune"),
    "npm-cache": ("npm", "cache", "verify"),
    "pre-commit-cache": ("pre-commit", "gc"),
}


def prune(cache: Cache, folder: Path, images: Sequence[str]) -> str:
    """Run the command of `cache` over `folder` in the first of `images` that is there and has it, else here.

    Returns where it ran, "" if nothing has it. Raises CommandFailed, Interrupted.
    """
    argv = COMMANDS[cache.name]
    for image in _present(images):
        if _contained(cache, folder, image, argv):
            return image
    if not shutil.which(argv[0]):
        return ""
    process.capture(Command(argv, {cache.variable: str(folder)}), cwd=folder)
    return "this machine"


def _present(images: Sequence[str]) -> list[str]:
    """Those of `images` that the engine has; none where no engine answers."""
    try:
        system_info.client()
        listed = process.capture(Command(("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"))).split()
    except GoldiError:
        return []
    return [image for image in images if image in listed]


def _contained(cache: Cache, folder: Path, image: str, argv: tuple[str, ...]) -> bool:
    """Whether the image has the program; it ran then."""
    name = f"goldi-prune-{uuid.uuid4().hex[:12]}"
    user = "{}:{}".format(*rootless.numbers(ownership.owner()))
    files = _configurations(folder) if cache.name == "pre-commit-cache" else []
    try:
        process.capture(run_arguments.tool(image, name, user, cache, folder.resolve(), files, argv))
    except CommandFailed as error:
        if "executable file not found" in error.problem or "No such image" in error.problem:
            return False
        raise
    except Interrupted:
        # The client has ended; the container would go on.
        with suppress(CommandFailed):
            process.capture(run_arguments.remove(name))
        raise
    return True


def _configurations(folder: Path) -> list[Path]:
    """The files that say what pre-commit is to keep: in a container those of other projects would be missing."""
    import sqlite3  # 5 ms

    try:
        with closing(sqlite3.connect(f"{(folder / 'db.db').as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT path FROM configs").fetchall()
    except sqlite3.Error:
        return []
    return [path for (name,) in rows if isinstance(name, str) and (path := Path(name)).is_absolute() and path.is_file()]
