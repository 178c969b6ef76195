"""What a container is told of this machine's network, and whom it runs as: true as long as nothing of it has changed.

Only stat is asked. A file that was changed just before it was looked at may change once more in the same tick, which
would not show; so what is that young is not remembered. Whether the image is up to date is build/fingerprint.py's.
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
class Memory:
    """The `user` that checks run as, and a digest of what a container is told of the `network`."""

    user: str
    network: str


def recall(settings: Settings) -> Memory | None:
    """What was remembered, if it still holds."""
    try:
        kept = json.loads(_file(settings).read_text(encoding="utf-8"))
        files = [os.fsdecode(bytes.fromhex(path)) for path in kept["files"]]
        return Memory(kept["user"], kept["network"]) if kept["seen"] == _seen(settings, files)[0] else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def keep(settings: Settings, memory: Memory, files: Iterable[Path]) -> None:
    """Remember it as long as none of `files` changes, from which it was read.

    A state directory that cannot be written costs the next check some time, and that is all.
    """
    paths = [*map(str, dict.fromkeys(files)), *([settings.ca_bundle] if settings.ca_bundle else [])]
    seen, changed = _seen(settings, paths)
    if changed > time.time_ns() - YOUNG:
        return
    try:
        state.write(
            _file(settings),
            json.dumps({**vars(memory), "seen": seen, "files": [os.fsencode(path).hex() for path in paths]}),
        )
    except OSError:
        return


def _file(settings: Settings) -> Path:
    return state.folder("checks") / f"{settings.key}.json"


def _seen(settings: Settings, files: Iterable[str]) -> tuple[str, int]:
    """A digest of everything that could have changed; and the newest change of a file, in nanoseconds."""
    newest, stats = 0, []
    for path in files:
        seen = _stat(path)
        newest = max(newest, seen[0])
        stats.append((path, *seen))
    engine = [os.environ.get(name) for name in _ENGINE]
    # Where a check runs says nothing of the network, nor does what is kept.
    chosen = repr(replace(settings, warm=True, run="container", max_age=0, max_size=0))
    bits = (__version__, chosen, *ownership.owner(), engine, network.relevant(), stats)
    return hashlib.sha256(repr(bits).encode(errors="surrogateescape")).hexdigest(), newest


def _stat(name: str) -> tuple[int, ...]:
    """The change of a file, and what else stat says of it; (0,) for one that is not there."""
    try:
        found = os.stat(name)  # noqa: PTH116 - a hundred of them, before every check
    except OSError:
        return (0,)
    return (found.st_ctime_ns, found.st_size, found.st_mtime_ns, found.st_ino, found.st_mode)
