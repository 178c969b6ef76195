"""Which images were made from which inputs, and whether they are still there."""

from goldi_tasks.build import context, kept
from goldi_tasks.build.inputs import Inputs
from goldi_tasks.settings import Settings


def changed(settings: Settings, targets: tuple[str, ...]) -> bool:
    """Whether what `targets` read of the context is surely not what it was at their last build.

    What they read now may be more: this is for beginning early with what a build needs, the verdict is `built`'s.
    """
    known = kept.read(settings)
    last = known.get("contexts", {}).get(" ".join(targets))
    try:
        text, memory = context.ignore_text(settings), known.get("files", {})
        return not last or context.look(settings.project, text, memory, last["only"]).digest != last["digest"]
    except OSError:
        return False


def built(settings: Settings, inputs: Inputs) -> bool:
    """Whether the images that were made from these inputs are there, under their names."""
    known = kept.read(settings).get("built", {}).get(inputs.fingerprint)
    return bool(all(inputs.images.values()) and known == dict(inputs.images))


def remember(
    settings: Settings, targets: tuple[str, ...], before: Inputs, after: Inputs | None, digests: set[str], started: int
) -> None:
    """Keep what came of a build of `targets` that began at `started` and made images with `digests`.

    Only if nothing changed meanwhile: between two equal looks a file may still have been another, then its change is
    younger than the start. And somebody else may have given our names to other images: then their ids are not among
    `digests`.
    """
    known = kept.read(settings)
    quiet = after and before.fingerprint == after.fingerprint and after.changed < started - context.YOUNG
    if after and quiet and digests.issuperset(after.images.values()):
        names = set(after.images)
        others = {key: images for key, images in known.get("built", {}).items() if names.isdisjoint(images)}
        known["built"] = others | {after.fingerprint: dict(after.images)}
    last = {"only": sorted(before.only), "digest": before.context.digest}
    known["contexts"] = known.get("contexts", {}) | {" ".join(targets): last}
    known["files"] = (after or before).context.memory
    known["bases"] = before.brought
    kept.write(settings, known)
