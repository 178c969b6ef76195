"""What goes into targets, as one fingerprint; and whether the images made from just that are still there.

Never on the side of staleness: where something cannot be known without asking the builder, it is asked.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldi_tasks import run, state
from goldi_tasks.build import context
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed
from goldi_tasks.plan import bake as plan
from goldi_tasks.plan import dockerfile
from goldi_tasks.settings import Settings

# A change of what is fingerprinted, or how, must not meet fingerprints of before.
_VERSION = 1
# Where a target says one of these, other things than the project go in, or something else than an image comes out.
_UNKNOWABLE = ("contexts", "dockerfile-inline", "no-cache", "no-cache-filter", "pull", "output", "matrix")
# These change where caches are, not what is built.
_CACHES = ("cache-from", "cache-to")


@dataclass(frozen=True)
class Inputs:
    """What goes into some targets now.

    `fingerprint` is of all of it, `images` the ids of what was made by tag ("" for one that is not there),
    `changed` the newest change of a file that goes in, in nanoseconds since the epoch, `printed` what bake makes of
    its file.
    """

    fingerprint: str
    images: Mapping[str, str]
    changed: int
    context: context.Context
    printed: Mapping[str, Any] = field(repr=False)


def look(
    settings: Settings,
    wanted: plan.Wanted,
    targets: tuple[str, ...],
    env: Mapping[str, str],
    printed: Mapping[str, Any] | None = None,
) -> Inputs | None:
    """The inputs of `targets`; None where only the builder knows, or can say better what is wrong.

    `printed` is from an earlier look of the same run: what it is made of is part of the fingerprint.
    """
    if wanted.no_cache or wanted.pull or wanted.push or wanted.sets:
        return None
    try:
        if printed is None:
            printed = json.loads(run.capture(plan.show(settings, targets, env), cwd=settings.project))["target"]
        bases = _bases(settings, [printed[target] for target in targets])
        if bases is None:
            return None
        tags = [_name(tag) for target in targets for tag in printed[target].get("tags", [])]
        ids = _image_ids({*tags, *map(_name, bases)})
        if not tags or any(name not in ids and "@sha256:" not in name for name in map(_name, bases)):
            # A base image that is not here may have changed where it is.
            return None
        files = _files(settings, printed, targets)
        found = context.look(settings.project, context.ignore_text(settings), _read(settings).get("files", {}))
    except (CommandFailed, OSError, ValueError, LookupError, TypeError):
        return None
    plain = {
        name: {key: value for key, value in target.items() if key not in _CACHES} for name, target in printed.items()
    }
    texts = [file.read_text(encoding="utf-8") for file in files]
    bits = [_VERSION, plain, texts, sorted((name, ids.get(_name(name))) for name in bases)]
    digest = hashlib.sha256(json.dumps([*bits, found.digest], sort_keys=True).encode()).hexdigest()
    changed = max(found.changed, *(file.stat().st_ctime_ns for file in files))
    return Inputs(digest, {tag: ids.get(tag, "") for tag in tags}, changed, found, printed)


def changed(settings: Settings) -> bool:
    """Whether the build context is surely not what it was at the last build: then there is something to do."""
    kept = _read(settings)
    try:
        found = context.look(settings.project, context.ignore_text(settings), kept.get("files", {}))
    except OSError:
        return False
    return found.digest != kept.get("context")


def built(settings: Settings, inputs: Inputs) -> bool:
    """Whether the images that were made from these inputs are there, under their names."""
    return bool(
        all(inputs.images.values()) and _read(settings).get("built", {}).get(_key(inputs)) == dict(inputs.images)
    )


def remember(settings: Settings, before: Inputs, after: Inputs | None, digests: set[str], started: int) -> None:
    """Keep what came of a build that began at `started` and made images with `digests`, if nothing changed meanwhile.

    Between two equal looks a file may still have been another: then its change is younger than the start. And
    somebody else may have given our names to other images: then their ids are not among `digests`.
    """
    kept = _read(settings)
    quiet = after and before.fingerprint == after.fingerprint and after.changed < started - context.YOUNG
    if after and quiet and digests.issuperset(after.images.values()):
        names = set(after.images)
        others = {key: images for key, images in kept.get("built", {}).items() if names.isdisjoint(images)}
        kept["built"] = others | {_key(after): dict(after.images)}
    kept["files"] = (after or before).context.memory
    kept["context"] = before.context.digest
    try:
        state.write(_file(settings), json.dumps(kept))
    except OSError:
        # The next build asks the builder, and that is all.
        return


def _bases(settings: Settings, targets: list[dict[str, Any]]) -> set[str] | None:
    """The images that `targets` build on; None if one of them has inputs that are not the project's."""
    found: set[str] = set()
    for target in targets:
        if (
            any(target.get(key) for key in _UNKNOWABLE)
            or (settings.project / target.get("context", ".")) != settings.project
        ):
            return None
        text = (settings.project / target.get("dockerfile", "Dockerfile")).read_text(encoding="utf-8")
        images = dockerfile.base_images(text, target.get("args", {}))
        if images is None:
            return None
        found |= images
    return found


def _files(settings: Settings, printed: Mapping[str, Any], targets: tuple[str, ...]) -> list[Path]:
    """The files that say how to build, wherever they lie: the bake file and the Dockerfiles."""
    names = {printed[target].get("dockerfile", "Dockerfile") for target in targets}
    return [settings.bake_file, *(settings.project / name for name in sorted(names))]


def _image_ids(names: set[str]) -> dict[str, str]:
    """The ids of those images that the engine has, by name. It is not asked for all: that takes it long."""
    form = "{{.Repository}}:{{.Tag}} {{.ID}}"
    wanted = [part for name in sorted(names) for part in ("--filter", f"reference={name}")]
    listed = run.capture(Command(("docker", "image", "ls", "--no-trunc", "--format", form, *wanted)))
    return {_name(name): image for name, _, image in (line.partition(" ") for line in listed.splitlines())}


def _name(reference: str) -> str:
    """A reference as `docker image ls` writes it: without the public hub's name, with a tag."""
    name = reference.removeprefix("docker.io/").removeprefix("library/")
    return name if "@" in name or ":" in name.rpartition("/")[2] else f"{name}:latest"


def _key(inputs: Inputs) -> str:
    return inputs.fingerprint


def _file(settings: Settings) -> Path:
    return state.directory() / "inputs" / f"{settings.key}.json"


def _read(settings: Settings) -> dict[str, Any]:
    """What was kept; nothing if it is not there, or was written by something else."""
    try:
        kept = json.loads(_file(settings).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
