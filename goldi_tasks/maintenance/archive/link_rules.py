"""Which symbolic links a cache may hold: those that lead to something in the same cache, wherever it lies."""

from collections.abc import Iterable


def inside(path: str, target: str) -> bool:
    """Whether a link at `path` of a cache with this `target` leads into the cache, whatever other links it meets.

    So `..` may only stand in front: after the name of another link it would lead from where that one leads.
    """
    parts = target.split("/")
    up = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
    return bool(target) and parts[0] != "" and ".." not in parts[up:] and up <= path.count("/")


def kept(path: str, target: str, places: Iterable[str]) -> str | None:
    """The target that a link at `path` is kept with, None if it leads out of the cache.

    `places` are the directories that the cache is seen at: an absolute link into one of them becomes a relative one,
    which leads to the same on another machine.
    """
    for place in places:
        if target == place or target.startswith(place.rstrip("/") + "/"):
            rest = target[len(place.rstrip("/")) :].strip("/")
            target = "../" * path.count("/") + rest or "."
            break
    return target if inside(path, target) else None
