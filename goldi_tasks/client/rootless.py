"""By which numbers containers know a user: on a rootless engine root inside is the caller, and others are nobody here.

What a container writes as another user belongs to a number that only the engine can do something with.
"""

import json
import os
from functools import cache
from pathlib import Path

from goldi_tasks.client import system_info
from goldi_tasks.errors import NoDocker, NoEngine, NoPermission

_SOCKET = "/var/run/docker.sock"


def numbers(owner: tuple[int, int]) -> tuple[int, int]:
    """The uid and gid of `owner` inside."""
    return (0, 0) if owner != (0, 0) and answers() else owner


@cache
def answers() -> bool:
    """Whether the engine is rootless; False where none answers. A socket of root's saves asking, which takes 0.1 s."""
    try:
        return not _is_roots(_socket()) and system_info.is_rootless(system_info.engine_info())
    except (NoDocker, NoEngine, NoPermission):
        return False


def _is_roots(socket: Path | None) -> bool:
    try:
        return socket is not None and socket.stat().st_uid == 0
    except OSError:
        return False


def _socket() -> Path | None:
    """The socket that the client talks to; None where it may be something else."""
    if host := os.environ.get("DOCKER_HOST"):
        return Path(host.removeprefix("unix://")) if host.startswith("unix://") else None
    if os.environ.get("DOCKER_CONTEXT"):
        return None
    folder = os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
    try:
        chosen = json.loads(Path(folder, "config.json").read_text(encoding="utf-8")).get("currentContext", "default")
    except (OSError, ValueError, AttributeError):
        chosen = "default"
    return Path(_SOCKET) if chosen == "default" else None
