"""What the last check found out, so that the next one need not ask: true as long as nothing of it has changed.

Only stat is asked. A file that was changed just before it was looked at may change once more in the same tick, which
would not show; so what is that young is not remembered.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from goldi_tasks import __version__, network, state, whose
from goldi_tasks.settings import Settings

YOUNG = state.YOUNG
_ENGINE = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG")


@dataclass(frozen=True)
class Memory:
    """The `image` that the checks run in and the `user` they run as, and the `files` and directories that decide it.

    `network` is a digest of what a container is told of the network.
    """

    image: str
    user: str
    network: str
    files: tuple[str, ...]


def recall(settings: Settings) -> Memory | None:
    """What was remembered, if it still holds."""
    try:
        kept = json.loads(_file(settings).read_text(encoding="utf-8"))
        found = Memory(kept["image"], kept["user"], kept["network"], tuple(kept["files"]))
        return found if kept["seen"] == _seen(settings, found.files)[0] else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def keep(settings: Settings, memory: Memory) -> None:
    """Remember it; a state directory that cannot be written costs the next check some time, and that is all."""
    seen, changed = _seen(settings, memory.files)
    if changed > time.time_ns() - YOUNG:
        return
    try:
        state.write(_file(settings), json.dumps({**vars(memory), "seen": seen}))
    except OSError:
        return


def drop(settings: Settings) -> None:
    """Forget it."""
    _file(settings).unlink(missing_ok=True)


def decisive(settings: Settings, inputs: Iterable[Path]) -> tuple[str, ...]:
    """The files that decide what a check runs in: the `inputs` of the image, and what tells of the network."""
    asked = network.files(settings.project / settings.app / "frontend")
    certificates = [Path(settings.ca_bundle)] if settings.ca_bundle else []
    return tuple(dict.fromkeys(map(str, (*inputs, *asked, *certificates))))


def _file(settings: Settings) -> Path:
    return state.folder("checks") / f"{settings.key}.json"


def _seen(settings: Settings, files: Iterable[str]) -> tuple[str, int]:
    """A digest of everything that could have changed; and the newest change of a file, in nanoseconds."""
    newest, stats = 0, []
    for name in files:
        seen = _stat(name)
        newest = max(newest, seen[0])
        stats.append((name, *seen))
    engine = [os.environ.get(name) for name in _ENGINE]
    # Every build of ours leaves a record, whatever it was told to do.
    built = _stat(str(state.folder("builds", settings.key)))
    # Where a check runs says nothing of the image, nor does what is kept.
    chosen = repr(replace(settings, warm=True, run="container", max_age=0, max_size=0))
    bits = (__version__, chosen, *whose.owner(), engine, network.relevant(), built, stats)
    return hashlib.sha256(repr(bits).encode(errors="surrogateescape")).hexdigest(), newest


def _stat(name: str) -> tuple[int, ...]:
    """The change of a file, and what else stat says of it; (0,) for one that is not there."""
    try:
        found = os.stat(name)  # noqa: PTH116 - a hundred of them, before every check
    except OSError:
        return (0,)
    return (found.st_ctime_ns, found.st_size, found.st_mtime_ns, found.st_ino, found.st_mode)
