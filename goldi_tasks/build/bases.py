"""The images that the engine has: their ids, and what they bring into a build that begins with them."""

import json
from collections.abc import Mapping
from typing import Any

from goldi_tasks import run
from goldi_tasks.command import Command

# By image id the names of the variables that it sets; None for one with instructions of its own (ONBUILD).
Brought = dict[str, list[str] | None]


def ids(names: set[str]) -> dict[str, str]:
    """The ids of those images that the engine has, by name. It is not asked for all: that takes it long."""
    form = "{{.Repository}}:{{.Tag}} {{.ID}}"
    wanted = [part for name in sorted(names) for part in ("--filter", f"reference={name}")]
    listed = run.capture(Command(("docker", "image", "ls", "--no-trunc", "--format", form, *wanted)))
    return {plain(name): image for name, _, image in (line.partition(" ") for line in listed.splitlines())}


def plain(reference: str) -> str:
    """A reference as `docker image ls` writes it: without the public hub's name, with a tag."""
    name = reference.removeprefix("docker.io/").removeprefix("library/")
    return name if "@" in name or ":" in name.rpartition("/")[2] else f"{name}:latest"


def brought(images: set[str], known: Brought) -> Brought:
    """What the images with these ids bring along; the engine is asked for those that are not `known`."""
    new = sorted(images - known.keys())
    told = json.loads(run.capture(Command(("docker", "image", "inspect", *new)))) if new else []
    found = {image: _brings(one.get("Config") or {}) for image, one in zip(new, told, strict=True)}
    return {image: known[image] if image in known else found[image] for image in sorted(images)}


def _brings(config: Mapping[str, Any]) -> list[str] | None:
    if config.get("OnBuild"):
        return None
    return sorted(variable.partition("=")[0] for variable in config.get("Env") or [])
