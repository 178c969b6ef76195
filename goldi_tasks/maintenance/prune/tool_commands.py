"""Prune a cache by the command of the tool that fills it: in an image that has the tool, else on this machine.

The image comes first, since its tool fills the cache and knows all entries: an older `uv` deletes those of a newer one.
A missing image is not built for this.
"""

import shutil
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from goldi_tasks import ownership, process
from goldi_tasks.client import run_arguments, system_info
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, GoldiError, Interrupted
from goldi_tasks.paths import Cache

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "uv-cache": ("uv", "cache", "prune"),
    "npm-cache": ("npm", "cache", "verify"),
    "pre-commit-cache": ("pre-commit", "gc"),
}


def prune(cache: Cache, folder: Path, images: Sequence[str]) -> str:
    """Run the command of `cache` on `folder` in the first of `images` that has it, else on this machine.

    Returns the image, "this machine", or "" if the command was not found. Raises CommandFailed, Interrupted.
    """
    argv = COMMANDS[cache.name]
    for image in _list_local(images):
        if _run_in_container(cache, folder, image, argv):
            return image
    if not shutil.which(argv[0]):
        return ""
    process.capture(Command(argv, {cache.variable: str(folder)}), cwd=folder)
    return "this machine"


def _list_local(images: Sequence[str]) -> list[str]:
    """Return those of `images` that the engine has; [] if no engine answers."""
    try:
        system_info.client()
        local_images = process.capture(
            Command(("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"))
        ).split()
    except GoldiError:
        return []
    return [image for image in images if image in local_images]


def _run_in_container(cache: Cache, folder: Path, image: str, argv: tuple[str, ...]) -> bool:
    """Run the command; return False if the image or the program in it is missing. Raises CommandFailed, Interrupted."""
    name = f"goldi-prune-{uuid.uuid4().hex[:12]}"
    user = "{}:{}".format(*system_info.map_owner(ownership.owner()))
    files = _pre_commit_configs(folder) if cache.name == "pre-commit-cache" else []
    try:
        process.capture(run_arguments.tool(image, name, user, cache, folder.resolve(), files, argv))
    except CommandFailed as error:
        if "executable file not found" in error.problem or "No such image" in error.problem:
            return False
        raise
    except Interrupted:
        # Ctrl-C ended the client only; the container would go on.
        with suppress(CommandFailed):
            process.capture(run_arguments.remove(name))
        raise
    return True


def _pre_commit_configs(folder: Path) -> list[Path]:
    """Return the configuration files that pre-commit knows; `gc` deletes the hooks of those that are not mounted."""
    import sqlite3  # 5 ms

    try:
        with closing(sqlite3.connect(f"{(folder / 'db.db').as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT path FROM configs").fetchall()
    except sqlite3.Error:
        return []
    return [path for (name,) in rows if isinstance(name, str) and (path := Path(name)).is_absolute() and path.is_file()]
