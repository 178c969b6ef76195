"""The container that a check runs in: known from the last one, or found out and started."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks import probe, rootless
from goldi_tasks.checks import memory, place, warm
from goldi_tasks.checks.memory import Memory
from goldi_tasks.errors import CheckLost
from goldi_tasks.plan import container
from goldi_tasks.plan.tools import Tools
from goldi_tasks.settings import Settings

# Makes what containers mount.
Prepare = Callable[[], None]
# Builds the tools image where its inputs have changed; its id, and the files that decide it.
Image = Callable[[], tuple[str, Sequence[Path]]]


@dataclass(frozen=True)
class Doors:
    """What a check needs of other rooms: what makes the directories that are mounted, what builds the image."""

    prepare: Prepare
    image: Image


def tools(settings: Settings, doors: Doors, again: bool) -> Tools:
    """The container to run in, which runs if one is kept; `again` if it was just found missing."""
    known = memory.recall(settings)
    if known and not again and (made := _made(settings, known)) and (not settings.warm or warm.alive(made)):
        return made
    with warm.alone(place.shared(settings)):
        return _ready(settings, doors)


def _ready(settings: Settings, doors: Doors) -> Tools:
    """The same, with nobody else at it; the image is looked at where something has changed, or where it is missing."""
    doors.prepare()
    known = memory.recall(settings)
    remembered = _made(settings, known) if known and settings.warm else None
    if remembered:
        try:
            return _started(remembered)
        except warm.NoImage:
            memory.drop(settings)
    made = _made(settings, _find_out(settings, doors.image))
    if made is None:
        raise CheckLost("cache directories are being removed", "Wait until `inv cache.clear` has ended")
    try:
        return _started(made)
    except warm.NoImage as error:
        raise CheckLost(f"the tools image is gone: {error}", "Run it again") from error


def _started(tools: Tools) -> Tools:
    if tools.settings.warm and not (warm.alive(tools) and warm.running(tools.name)):
        warm.start(tools)
    return tools


def _find_out(settings: Settings, ask: Image) -> Memory:
    from goldi_tasks.build import network  # 5 ms, for those who have something to find out

    image, inputs = ask()
    host = probe.host()
    user = "{}:{}".format(*rootless.numbers((host.uid, host.gid)))
    told = hashlib.sha256(network.lines(settings).encode()).hexdigest()
    known = Memory(image, user, told, memory.decisive(settings, inputs))
    memory.keep(settings, known)
    return known


def _made(settings: Settings, known: Memory) -> Tools | None:
    """The container that the memory tells of; None if a directory is missing that it mounts."""
    caches = place.identities(_directories(settings))
    if not all(caches):
        return None
    trees = place.trees(settings.project, Path.home())
    shared = place.shared(settings)
    return Tools(settings, known.image, known.user, trees, caches, shared, known.network, place.scripts())


def _directories(settings: Settings) -> list[Path]:
    """What containers mount, and where in the project they mount it: the engine would make these, as root."""
    mounts = container.mounts(settings)
    inside = [Path(mount) for _, _, mount in mounts if Path(mount).is_relative_to(settings.project)]
    return [*(directory for _, directory, _ in mounts), *inside]
