"""Map users to the ids that they have in containers: on a rootless engine root in a container is the caller.

Files that a container writes as another user belong to a subordinate uid, which only the engine can change or delete.
"""

import json
import os
from functools import cache
from pathlib import Path

from goldi_tasks.client import system_info
from goldi_tasks.errors import NoDocker, NoEngine, NoPermission

_SOCKET = "/var/run/docker.sock"


def map_owner(owner: tuple[int, int]) -> tuple[int, int]:
    """Return the uid and gid that `owner` has in a container."""
    return (0, 0) if owner != (0, 0) and answers() else owner


@cache
def answers() -> bool:
    """Return whether the engine is rootless; False where none answers.

    If the socket belongs to root, `docker info` is not needed, which takes 0.1 s.
    """
    try:
        return not _is_owned_by_root(_socket()) and system_info.is_rootless(system_info.engine_info())
    except (NoDocker, NoEngine, NoPermission):
        return False


def _is_owned_by_root(socket: Path | None) -> bool:
    try:
        return socket is not None and socket.stat().st_uid == 0
    except OSError:
        return False


def _socket() -> Path | None:
    """Return the socket of the docker client; None if a context or another protocol selects the engine."""
    if host := os.environ.get("DOCKER_HOST"):
        return Path(host.removeprefix("unix://")) if host.startswith("unix://") else None
    if os.environ.get("DOCKER_CONTEXT"):
        return None
    folder = os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
    try:
        context = json.loads(Path(folder, "config.json").read_text(encoding="utf-8")).get("currentContext", "default")
    except (OSError, ValueError, AttributeError):
        context = "default"
    return Path(_SOCKET) if context == "default" else None
