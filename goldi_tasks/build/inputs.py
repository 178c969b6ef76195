"""What goes into targets, as one fingerprint; build/made.py knows what was made from which.

Never on the side of staleness: where something cannot be known without asking the builder, it is asked.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from goldi_tasks.build import bakefile, bases, context, kept
from goldi_tasks.errors import CommandFailed
from goldi_tasks.plan import bake as plan
from goldi_tasks.plan import dockerfile
from goldi_tasks.settings import Settings

# Where a target says one of these, other things than the project go in, or something else than an image comes out.
_UNKNOWABLE = ("contexts", "dockerfile-inline", "no-cache", "no-cache-filter", "pull", "output", "matrix")
# These change where caches are, not what is built.
_CACHES = ("cache-from", "cache-to")


@dataclass(frozen=True)
class Inputs:
    """What goes into some targets now.

    `fingerprint` is of all of it, `images` the ids of what was made by tag ("" for one that is not there),
    `changed` the newest change of a file that goes in, in nanoseconds since the epoch, `only` the paths of the
    context that go in, `brought` what base images bring along, `printed` what bake makes of its file.
    """

    fingerprint: str
    images: Mapping[str, str]
    changed: int
    context: context.Context
    only: Collection[str]
    brought: bases.Brought = field(repr=False)
    printed: Mapping[str, Any] = field(repr=False)


def look(
    settings: Settings,
    wanted: plan.Wanted,
    targets: tuple[str, ...],
    env: Mapping[str, str],
    printed: Mapping[str, Any] | None = None,
    where: str = "",
) -> Inputs | None:
    """The inputs of `targets`; None where only the builder knows, or can say better what is wrong.

    `where` names the builder if it is not the current one, which may be of another architecture. `printed` is from an
    earlier look of the same run: what it is made of is part of the fingerprint.
    """
    if wanted.no_cache or wanted.pull or wanted.push or wanted.sets:
        return None
    try:
        if printed is None:
            printed = bakefile.printed(settings, targets, env)
        return _inputs(settings, [printed[target] for target in targets], printed, where)
    except (CommandFailed, OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def base_images(settings: Settings, targets: tuple[str, ...], env: Mapping[str, str]) -> set[str]:
    """The images that `targets` build on; none where that cannot be said, or buildx can say better what is wrong."""
    try:
        printed = bakefile.printed(settings, targets, env)
        wanted = [printed[target] for target in targets]
        return _base_images(settings, wanted, _texts(settings, wanted)) or set()
    except (CommandFailed, OSError, ValueError, LookupError, TypeError, AttributeError):
        return set()


def _inputs(
    settings: Settings, targets: list[Mapping[str, Any]], printed: Mapping[str, Any], where: str
) -> Inputs | None:
    """The inputs of `targets`, which are those of `printed` that are wanted."""
    known, texts = kept.read(settings), _texts(settings, targets)
    images = _base_images(settings, targets, texts)
    tags = [bases.plain(tag) for target in targets for tag in target.get("tags", [])]
    if images is None or not tags:
        return None
    ids = bases.ids({*tags, *images})
    if any(name not in ids and "@sha256:" not in name for name in images):
        # A base image that is not here may have changed where it is.
        return None
    brought = bases.brought({ids[name] for name in images if name in ids}, known.get("bases", {}))
    only = _only(targets, texts, [brought[ids[name]] if name in ids else None for name in images])
    found = context.look(settings.project, context.ignore_text(settings), known.get("files", {}), only)
    files = {**texts, "": settings.bake_file.read_text(encoding="utf-8")}
    bits = [_plain(printed), sorted(files.items()), sorted((name, ids.get(name)) for name in images), sorted(only)]
    bits += [where] if where else []
    digest = hashlib.sha256(json.dumps([kept.VERSION, *bits, found.digest], sort_keys=True).encode()).hexdigest()
    paths = [settings.bake_file, *(settings.project / name for name in texts)]
    changed = max(found.changed, *(path.stat().st_ctime_ns for path in paths))
    return Inputs(digest, {tag: ids.get(tag, "") for tag in tags}, changed, found, only, brought, printed)


def _texts(settings: Settings, targets: list[Mapping[str, Any]]) -> dict[str, str]:
    """The Dockerfiles of `targets`, wherever they lie, by the name that they have in the bake file."""
    names = {_dockerfile(target) for target in targets}
    return {name: (settings.project / name).read_text(encoding="utf-8") for name in sorted(names)}


def _base_images(settings: Settings, targets: list[Mapping[str, Any]], texts: Mapping[str, str]) -> set[str] | None:
    """The images that `targets` build on; None if one of them has inputs that are not the project's."""
    found: set[str] = set()
    for target in targets:
        elsewhere = (settings.project / target.get("context", ".")) != settings.project
        if elsewhere or any(target.get(key) for key in _UNKNOWABLE):
            return None
        images = dockerfile.base_images(texts[_dockerfile(target)], target.get("args", {}))
        if images is None:
            return None
        found |= {bases.plain(image) for image in images}
    return found


def _only(
    targets: list[Mapping[str, Any]], texts: Mapping[str, str], brought: list[list[str] | None]
) -> Collection[str]:
    """The paths of the context that `targets` read; all of it where that cannot be said.

    `brought` are the variables that each of their base images sets; None for one that may read what it likes.
    """
    env = [names for names in brought if names is not None]
    found = [
        dockerfile.sources(
            texts[_dockerfile(target)], target.get("target", ""), target.get("args", {}), set().union(*env)
        )
        for target in targets
    ]
    sure = [paths for paths in found if paths is not None]
    return set().union(*sure) if len(sure) == len(found) and len(env) == len(brought) else context.WHOLE


def _dockerfile(target: Mapping[str, Any]) -> str:
    return str(target.get("dockerfile", "Dockerfile"))


def _plain(printed: Mapping[str, Any]) -> dict[str, Any]:
    """What bake makes of its file, without where caches are."""
    return {
        name: {key: value for key, value in target.items() if key not in _CACHES} for name, target in printed.items()
    }
