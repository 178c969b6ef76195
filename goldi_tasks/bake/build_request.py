"""What somebody asked to have built."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from goldi_tasks.client.system_info import Docker
from goldi_tasks.errors import NoEngine, UnknownName, did_you_mean

PLATFORMS = ("linux/amd64", "linux/arm64")


@dataclass(frozen=True)
class Wanted:
    """A build that somebody asked for: targets or groups by name, and what they said about it.

    `outputs` is whether the bake file says what comes out; `--set` may say it too. `tags` are instead of the bake
    file's, `cache_from` are caches to read beside ours, `scanner` the image that lists the packages of what is pushed.
    """

    targets: tuple[str, ...]
    no_cache: bool = False
    sets: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    push: bool = False
    pull: bool = False
    force: bool = False
    keep_cache: bool = False
    progress: str = "auto"
    outputs: bool = False
    tags: tuple[str, ...] = ()
    cache_from: tuple[str, ...] = ()
    scanner: str = ""


def members(document: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> tuple[str, ...]:
    """List the targets that `names` stand for in what `bake --print` shows, or in a bake file.

    A group may hold groups, and may share a target's name; then the name means the group. Raises UnknownName.
    """
    groups, targets = document.get("group", {}), public(document)
    known, todo, opened = dict[str, None](), [*reversed(names)], set[str]()
    while todo:
        name = todo.pop()
        if name in groups and name not in opened:
            opened.add(name)
            todo += reversed(groups[name].get("targets", ()))
        elif name in targets:
            known[name] = None
        elif name not in groups:
            remedy = did_you_mean(name, (*groups, *targets)).capitalize()
            raise UnknownName(f"no bake target or group '{name}'", remedy)
    return tuple(known)


def public(bake_file: Mapping[str, Mapping[str, object]]) -> tuple[str, ...]:
    """The targets that can be built: a leading `_` marks a base to inherit from."""
    return tuple(name for name in bake_file.get("target", {}) if not name.startswith("_"))


def check(wanted: Wanted, docker: Docker) -> None:
    """Raises UnknownName for a platform that no image is made for, NoEngine for what this engine cannot do."""
    for platform in wanted.platforms:
        if platform not in PLATFORMS:
            raise UnknownName(f"no platform '{platform}'", did_you_mean(platform, PLATFORMS).capitalize())
    if len(wanted.platforms) > 1 and not wanted.push and docker.store != "containerd":
        remedy = "Push it with --push, or enable the containerd image store"
        raise NoEngine("this engine's image store holds one platform at a time", remedy)
