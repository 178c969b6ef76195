"""List the directories that running containers have mounted, which must stay."""

import json
from collections.abc import Iterable
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, NoDocker, NoEngine, NoPermission


def list_mounted_directories() -> frozenset[Path] | None:
    """Return the directories of this machine that running containers have mounted; without an engine, none.

    Returns None if the engine denies access. Raises CommandFailed.
    """
    try:
        system_info.client()
        return _list_mounts()
    except NoDocker:
        return frozenset()
    except CommandFailed:
        try:
            system_info.engine_info()
        except NoEngine:
            return frozenset()
        except NoPermission:
            return None
        # A container may have ended between the two commands.
        return _list_mounts()


def is_mounted(sources: Iterable[Path] | None, path: Path) -> bool:
    """Return whether a container has mounted `path`, a directory below it, or its parent; True if `sources` is None.

    A mount of a higher directory, such as the whole cache root, is not a use of the caches.
    """
    if sources is None:
        return True
    real, parent = path.resolve(), path.parent.resolve()
    return any(source in (real, parent) or source.is_relative_to(real) for source in sources)


def _list_mounts() -> frozenset[Path]:
    ids = process.capture(Command(("docker", "ps", "--quiet", "--no-trunc"))).split()
    if not ids:
        return frozenset()
    lines = process.capture(Command(("docker", "inspect", "--format", "{{json .Mounts}}", *ids))).splitlines()
    mounts = [mount for line in lines for mount in json.loads(line) or []]
    sources = {mount["Source"] for mount in mounts if mount.get("Source")}
    # A volume may be a directory of this machine: the stack's volumes are bind mounts.
    volumes = sorted({mount["Name"] for mount in mounts if mount.get("Type") == "volume" and mount.get("Name")})
    if volumes:
        output = process.capture(Command(("docker", "volume", "inspect", "--format", "{{json .Options}}", *volumes)))
        options = [json.loads(line) or {} for line in output.splitlines()]
        sources |= {option["device"] for option in options if option.get("device", "").startswith("/")}
    return frozenset(Path(source).resolve() for source in sources)
