"""What running containers have mounted, which is not to be taken from under them."""

import json
from collections.abc import Iterable
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, NoDocker, NoEngine, NoPermission


def mounted() -> frozenset[Path] | None:
    """Directories of this machine that running containers see; None where an engine is there and may not be asked.

    Without an engine no container runs. Raises CommandFailed.
    """
    try:
        system_info.client()
        return _ask()
    except NoDocker:
        return frozenset()
    except CommandFailed:
        try:
            system_info.engine_info()
        except NoEngine:
            return frozenset()
        except NoPermission:
            return None
        # A container may have ended between two questions.
        return _ask()


def holds(sources: Iterable[Path] | None, path: Path) -> bool:
    """Whether a container has `path` mounted, or something in it, or the cache's directory that it is in.

    One that sees the whole root, or the whole machine, is no user of the caches.
    """
    if sources is None:
        return True
    real, above = path.resolve(), path.parent.resolve()
    return any(source in (real, above) or source.is_relative_to(real) for source in sources)


def _ask() -> frozenset[Path]:
    ids = process.capture(Command(("docker", "ps", "--quiet", "--no-trunc"))).split()
    if not ids:
        return frozenset()
    lines = process.capture(Command(("docker", "inspect", "--format", "{{json .Mounts}}", *ids))).splitlines()
    found = [mount for line in lines for mount in json.loads(line) or []]
    sources = {mount["Source"] for mount in found if mount.get("Source")}
    # A volume may be a directory of the host's, as those of the stack are.
    volumes = sorted({mount["Name"] for mount in found if mount.get("Type") == "volume" and mount.get("Name")})
    if volumes:
        said = process.capture(Command(("docker", "volume", "inspect", "--format", "{{json .Options}}", *volumes)))
        options = [json.loads(line) or {} for line in said.splitlines()]
        sources |= {option["device"] for option in options if option.get("device", "").startswith("/")}
    return frozenset(Path(source).resolve() for source in sources)
