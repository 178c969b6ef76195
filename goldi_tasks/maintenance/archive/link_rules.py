"""Decide which symbolic links an archive may contain: those whose target is in the same cache, at any mount point."""

from collections.abc import Iterable


def stays_inside(path: str, target: str) -> bool:
    """Return whether a link at `path` of a cache with this `target` stays in the cache, also through other links.

    So `..` is only allowed at the beginning of `target`: after the name of another link it is the parent of that
    link's target.
    """
    components = target.split("/")
    levels_up = next((number for number, component in enumerate(components) if component != ".."), len(components))
    return bool(target) and components[0] != "" and ".." not in components[levels_up:] and levels_up <= path.count("/")


def get_saved_target(path: str, target: str, places: Iterable[str]) -> str | None:
    """Return the target to save for a link at `path`, None if the link leads out of the cache.

    `places` are the paths of the cache on the host and in containers: an absolute link into one of them becomes
    relative, so that it has the same target on another machine.
    """
    for place in places:
        if target == place or target.startswith(place.rstrip("/") + "/"):
            rest = target[len(place.rstrip("/")) :].strip("/")
            target = "../" * path.count("/") + rest or "."
            break
    return target if stays_inside(path, target) else None
