"""The container that a check runs in: known from the last one, or found out and started."""

import hashlib
from collections.abc import Callable
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
# Gives the id of an image.
Image = Callable[[], str]


@dataclass(frozen=True)
class Doors:
    """What a check needs of other rooms: what makes the directories that are mounted, and the tools image.

    `current` gives its id if it is up to date, else "", `image` builds it where it is not.
    """

    prepare: Prepare
    current: Image
    image: Image


def tools(settings: Settings, doors: Doors, again: bool) -> Tools:
    """The container to run in, which runs if one is kept; `again` if it was just found missing."""
    known = memory.recall(settings)
    image = doors.current() if known and not again else ""
    if known and image and (made := _made(settings, image, known)) and (not settings.warm or warm.alive(made)):
        return made
    with warm.alone(place.shared(settings)):
        return _ready(settings, doors, image)


def _ready(settings: Settings, doors: Doors, image: str) -> Tools:
    """The same, with nobody else at it; `image` is built where it is "" or gone."""
    doors.prepare()
    for one in (image, ""):
        made = _made(settings, one or doors.image(), memory.recall(settings) or _find_out(settings))
        if made is None:
            raise CheckLost("cache directories are being removed", "Wait until `inv cache.clear` has ended")
        try:
            return _started(made)
        except warm.NoImage as error:
            gone = error
    raise CheckLost(f"the tools image is gone: {gone}", "Run it again") from gone


def _started(tools: Tools) -> Tools:
    if tools.settings.warm and not (warm.alive(tools) and warm.running(tools.name)):
        warm.start(tools)
    return tools


def _find_out(settings: Settings) -> Memory:
    from goldi_tasks import network  # 5 ms, for those who have something to find out

    host = probe.host()
    user = "{}:{}".format(*rootless.numbers((host.uid, host.gid)))
    told = network.text(settings, with_logins=False)
    known = Memory(user, hashlib.sha256(told.encode(errors="surrogateescape")).hexdigest())
    memory.keep(settings, known, network.files(settings))
    return known


def _made(settings: Settings, image: str, known: Memory) -> Tools | None:
    """The container for what is known; None if a directory is missing that it mounts."""
    caches = place.identities(_directories(settings))
    if not all(caches):
        return None
    trees = place.trees(settings.project, Path.home())
    shared = place.shared(settings)
    return Tools(settings, image, known.user, trees, caches, shared, known.network, place.scripts())


def _directories(settings: Settings) -> list[Path]:
    """What containers mount, and where in the project they mount it: the engine would make these, as root."""
    mounts = container.mounts(settings)
    inside = [Path(mount) for _, _, mount in mounts if Path(mount).is_relative_to(settings.project)]
    return [*(directory for _, directory, _ in mounts), *inside]
