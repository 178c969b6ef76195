"""Define a build request, whose fields are also the options of the build tasks."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from goldi_tasks.errors import NoEngine, UnknownName, did_you_mean

if TYPE_CHECKING:
    # 10 ms that `--list` does not need.
    from goldi_tasks.client.system_info import Docker

PLATFORMS = ("linux/amd64", "linux/arm64")
# A valid tag (distribution's `reference` package).
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
# Types of caches, and the attribute that each requires (BuildKit's cache backends).
_CACHE_TYPES = {"registry": "ref", "local": "src", "gha": "", "s3": "bucket", "azblob": "name"}


def check_from(text: str) -> str:
    """Return a value of `--cache-from` in bake's form; a bare reference becomes `type=registry,ref=REFERENCE`.

    Raises UnknownName for an unknown type, or if the attribute that it requires is missing.
    """
    if "=" not in text and text and not re.search(r"[\s,]", text):
        return f"type=registry,ref={text}"
    values = dict(part.strip().strip('"').partition("=")[::2] for part in text.split(","))
    kind = values.get("type", "")
    if kind not in _CACHE_TYPES:
        raise UnknownName(f"--cache-from has no type '{kind}'", did_you_mean(kind, list(_CACHE_TYPES)).capitalize())
    if (attribute := _CACHE_TYPES[kind]) and not values.get(attribute):
        raise UnknownName(f"--cache-from {text} names no {attribute}", f"Write type={kind},{attribute}=WHICH")
    return text


def check_tag(tag: str) -> str:
    """Return a value of `--tag`. Raises UnknownName for a tag that no registry accepts."""
    if not _TAG.fullmatch(tag):
        remedy = "Use letters and digits, after the first also . _ -; the registry and the image are settings"
        raise UnknownName(f"'{tag}' is not a valid tag", remedy)
    return tag


def _option(default: Any, help: str, name: str, parse: Callable[[Any], Any], option_default: Any) -> Any:
    """Make a field that is also an option of the build tasks: its `name` and default there, how `parse` reads it."""
    return field(default=default, metadata={"help": help, "option": name, "parse": parse, "default": option_default})


def _flag(name: str, help: str, *, default: bool = False) -> Any:
    return _option(default, help, name, bool, default)


def _text(name: str, help: str, default: str = "") -> Any:
    return _option(default, help, name, str, default)


def _list(name: str, help: str, check: Callable[[str], str] = str) -> Any:
    return _option((), help, name, lambda values: tuple(map(check, values or ())), None)


@dataclass(frozen=True)
class BuildRequest:
    """A requested build: targets or groups by name, and the options of the build tasks.

    `outputs` is whether the bake file sets an output, `scanner` the image that lists the packages of pushed images.
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
    sbom: bool = _flag("sbom", "Add an SBOM attestation, if the scanner image is available.", default=True)
    outputs: bool = False
    scanner: str = ""

    @classmethod
    def from_options(cls, targets: tuple[str, ...], options: Mapping[str, Any], **values: Any) -> "BuildRequest":
        """Make a request from the `options` of a task, by name. Raises UnknownName, SettingsError."""
        for attribute in fields(cls):
            metadata = attribute.metadata
            if metadata.get("option") in options:
                values.setdefault(attribute.name, metadata["parse"](options[metadata["option"]]))
        return cls(targets, **values)


def resolve_targets(document: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> tuple[str, ...]:
    """List the targets of `names`, which are targets or groups of a bake file or of the output of `bake --print`.

    A group may hold groups, and may have the name of a target; then the name means the group. Raises UnknownName.
    """
    groups, targets = document.get("group", {}), public(document)
    selected, pending, expanded = dict[str, None](), [*reversed(names)], set[str]()
    while pending:
        name = pending.pop()
        if name in groups and name not in expanded:
            expanded.add(name)
            pending += reversed(groups[name].get("targets", ()))
        elif name in targets:
            selected[name] = None
        elif name not in groups:
            remedy = did_you_mean(name, (*groups, *targets)).capitalize()
            raise UnknownName(f"no bake target or group '{name}'", remedy)
    return tuple(selected)


def public(bake_file: Mapping[str, Mapping[str, object]]) -> tuple[str, ...]:
    """Return the names of the targets to build: one with a leading `_` is only a base to inherit from."""
    return tuple(name for name in bake_file.get("target", {}) if not name.startswith("_"))


def check(request: BuildRequest, docker: "Docker") -> None:
    """Check the platforms of a request. Raises UnknownName for an unknown one, NoEngine if the engine cannot do it."""
    for platform in request.platforms:
        if platform not in PLATFORMS:
            raise UnknownName(f"no platform '{platform}'", did_you_mean(platform, PLATFORMS).capitalize())
    if len(request.platforms) > 1 and not request.push and docker.store != "containerd":
        remedy = "Push the image with --push, or enable the containerd image store"
        raise NoEngine("this engine's image store holds one platform at a time", remedy)
