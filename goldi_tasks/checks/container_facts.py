"""Remember a container's user and network configuration as long as the files that they were read from are unchanged.

Changes are detected by stat only. A file may change twice within one tick of its file system's clock, which stat does
not show; so nothing is remembered that depends on a file this young. bake/fingerprint.py checks the image.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from goldi_tasks import __version__, network, ownership, state
from goldi_tasks.settings import Settings

YOUNG = state.YOUNG
_ENGINE = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG")


@dataclass(frozen=True)
class ContainerFacts:
    """The `user` that checks run as, and a digest of the `network` configuration in the container."""

    user: str
    network: str


def load(settings: Settings) -> ContainerFacts | None:
    """Return the remembered facts, None if there are none or anything has changed."""
    try:
        remembered = json.loads(_file(settings).read_text(encoding="utf-8"))
        files = [os.fsdecode(bytes.fromhex(path)) for path in remembered["files"]]
        is_current = remembered["seen"] == _fingerprint(settings, files)[0]
        return ContainerFacts(remembered["user"], remembered["network"]) if is_current else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def remember(settings: Settings, memory: ContainerFacts, files: Iterable[Path]) -> None:
    """Remember `memory` until one of `files` changes, from which it was read.

    If the state directory cannot be written, the next check only takes longer.
    """
    paths = [*map(str, dict.fromkeys(files)), *([settings.ca_bundle] if settings.ca_bundle else [])]
    digest, newest = _fingerprint(settings, paths)
    if newest > time.time_ns() - YOUNG:
        return
    try:
        state.write(
            _file(settings),
            json.dumps({**vars(memory), "seen": digest, "files": [os.fsencode(path).hex() for path in paths]}),
        )
    except OSError:
        return


def _file(settings: Settings) -> Path:
    return state.folder("checks") / f"{settings.key}.json"


def _fingerprint(settings: Settings, files: Iterable[str]) -> tuple[str, int]:
    """Return a digest of everything that may change, and the newest change of a file in nanoseconds."""
    newest, stats = 0, []
    for path in files:
        status = _stat(path)
        newest = max(newest, status[0])
        stats.append((path, *status))
    engine = [os.environ.get(name) for name in _ENGINE]
    # These settings do not concern the network.
    settings_text = repr(replace(settings, warm=True, run="container", max_age=0, max_size=0))
    inputs = (__version__, settings_text, *ownership.owner(), engine, network.select_variables(), stats)
    return hashlib.sha256(repr(inputs).encode(errors="surrogateescape")).hexdigest(), newest


def _stat(name: str) -> tuple[int, ...]:
    """Return the ctime of a file in nanoseconds, then size, mtime, inode and mode; (0,) for a missing file."""
    try:
        status = os.stat(name)  # noqa: PTH116 - a hundred of them, before every check
    except OSError:
        return (0,)
    return (status.st_ctime_ns, status.st_size, status.st_mtime_ns, status.st_ino, status.st_mode)
