"""What is to be built: a request that is the command line's options, too."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from goldi_tasks.client.system_info import Docker
from goldi_tasks.errors import NoEngine, UnknownName, did_you_mean

PLATFORMS = ("linux/amd64", "linux/arm64")
# What a tag may be (distribution's `reference` package).
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
# Types of caches, and what each must name (BuildKit's cache backends).
_CACHE_TYPES = {"registry": "ref", "local": "src", "gha": "", "s3": "bucket", "azblob": "name"}


def check_from(text: str) -> str:
    """Return a value of `--cache-from` as bake takes it: `type=registry,ref=...` and its like, or a reference alone.

    Raises UnknownName for another kind, or where it does not say which.
    """
    if "=" not in text and text and not re.search(r"[\s,]", text):
        return f"type=registry,ref={text}"
    values = dict(part.strip().strip('"').partition("=")[::2] for part in text.split(","))
    kind = values.get("type", "")
    if kind not in _CACHE_TYPES:
        raise UnknownName(f"--cache-from has no type '{kind}'", did_you_mean(kind, list(_CACHE_TYPES)).capitalize())
    if (needed := _CACHE_TYPES[kind]) and not values.get(needed):
        raise UnknownName(f"--cache-from {text} names no {needed}", f"Write type={kind},{needed}=WHICH")
    return text


def check_tag(tag: str) -> str:
    """Return a value of `--tag`. Raises UnknownName for what no registry takes."""
    if not _TAG.fullmatch(tag):
        remedy = "Give the tag alone: letters, digits, and . _ - after the first; `registry` and `image` are settings"
        raise UnknownName(f"'{tag}' is no tag", remedy)
    return tag


def _option(default: Any, help: str, name: str, parse: Callable[[Any], Any], typed: Any) -> Any:
    """Make a field that is an option of the build tasks: its `name` and `typed` default there, how it is read."""
    return field(default=default, metadata={"help": help, "option": name, "parse": parse, "default": typed})


def _flag(name: str, help: str, *, default: bool = False) -> Any:
    return _option(default, help, name, bool, default)


def _text(name: str, help: str, default: str = "") -> Any:
    return _option(default, help, name, str, default)


def _list(name: str, help: str, check: Callable[[str], str] = str) -> Any:
    return _option((), help, name, lambda values: tuple(map(check, values or ())), None)


@dataclass(frozen=True)
class BuildRequest:
    """A build that somebody asked for: targets or groups by name, and the options of the build tasks.

    `outputs` is whether the bake file says what comes out, `scanner` the image that lists the packages of what is
    pushed.
    """

    targets: tuple[str, ...]
    no_cache: bool = _flag("no_cache", "Run every step, take nothing from a cache.")
    sets: tuple[str, ...] = _list("set", "Override a target's value as bake does, TARGET.KEY=VALUE; may be repeated.")
    platforms: tuple[str, ...] = _option(
        (),
        "Platforms, such as linux/amd64,linux/arm64; the engine's own by default.",
        "platform",
        lambda text: tuple(part.strip() for part in text.split(",") if part.strip()),
        "",
    )
    push: bool = _flag("push", "Push the images to their registry, as build.push does.")
    cache_from: tuple[str, ...] = _list(
        "cache_from",
        "A cache to read beside ours, such as type=registry,ref=HOST/NAME:TAG; may be repeated.",
        check_from,
    )
    pull: bool = _flag("pull", "Look for newer base images.")
    force: bool = _flag("force", "Ask the builder even if nothing changed.")
    keep_cache: bool = _flag("keep_cache", "Export the local cache even if little is new in it.")
    progress: str = _text(
        "progress",
        "How the work is shown: tty (live), brief (what ran), plain (all), quiet, rawjson (buildx's own events), or "
        "auto: live on a terminal, else brief.",
        "auto",
    )
    tags: tuple[str, ...] = _list("tag", "A tag instead of the bake file's; may be repeated.", check_tag)
    sbom: bool = _flag(
        "sbom", "List the packages in an attestation, where the image that does it can be had.", default=True
    )
    outputs: bool = False
    scanner: str = ""

    @classmethod
    def from_options(cls, targets: tuple[str, ...], options: Mapping[str, Any], **values: Any) -> "BuildRequest":
        """Make a request of what was typed for the `options` of a task. Raises UnknownName, SettingsError."""
        for one in fields(cls):
            if one.metadata.get("option") in options:
                values.setdefault(one.name, one.metadata["parse"](options[one.metadata["option"]]))
        return cls(targets, **values)


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


def check(request: BuildRequest, docker: Docker) -> None:
    """Raises UnknownName for a platform that no image is made for, NoEngine for what this engine cannot do."""
    for platform in request.platforms:
        if platform not in PLATFORMS:
            raise UnknownName(f"no platform '{platform}'", did_you_mean(platform, PLATFORMS).capitalize())
    if len(request.platforms) > 1 and not request.push and docker.store != "containerd":
        remedy = "Push it with --push, or enable the containerd image store"
        raise NoEngine("this engine's image store holds one platform at a time", remedy)
