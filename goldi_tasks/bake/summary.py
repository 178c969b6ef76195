"""What came of a build, in lines for people and as JSON for scripts: steps, images, sizes, and where the time went."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from goldi_tasks import process
from goldi_tasks.bake.progress.running_build import Build
from goldi_tasks.bake.progress.step import Step, busy, without_flags
from goldi_tasks.command import Command, mask
from goldi_tasks.units import format_size

# A step that took less does not say where the time went.
_SHORT = 0.1


@dataclass(frozen=True)
class Image:
    """An image in the engine's store; `size` is the disk it uses, as `docker images` says it."""

    tag: str
    id: str
    size: str


@dataclass(frozen=True)
class Context:
    """The build context: files and bytes in it, and the bytes that the builder did not have yet."""

    files: int
    bytes: int
    sent: int | None = None


@dataclass(frozen=True)
class Summary:
    """`result` is built, failed, interrupted or up to date; `steps` are the instructions that a cache can save.

    `stages` are seconds by stage, `longest` the steps that took most, as seconds and name, `keeping` the seconds that
    the export of caches took, `read` the names of caches outside of the builder that were found, `asked` says why the
    builder was asked.
    """

    result: str
    targets: tuple[str, ...]
    seconds: float
    steps: int
    cached: int
    stages: Mapping[str, float]
    export: float
    longest: tuple[tuple[float, str], ...]
    images: tuple[Image, ...]
    context: Context
    keeping: float = 0.0
    read: tuple[str, ...] = ()
    asked: str = ""


def gather(
    result: str, targets: tuple[str, ...], build: Build, metadata: Path, context: tuple[int, int], seconds: float
) -> Summary:
    """The summary of a `build` that took `seconds` and wrote buildx's `metadata` file.

    `context` is the number of files and the bytes in it.
    """
    steps = sorted(build.steps.values(), key=lambda step: step.number)
    placed: dict[str, list[Step]] = {}
    for step in steps:
        if step.placed:
            placed.setdefault(step.stage, []).append(step)
    slow = sorted((step for step in steps if step.placed), key=Step.seconds, reverse=True)[:3]
    return Summary(
        result,
        targets,
        round(seconds, 3),
        len(build.counted),
        sum(step.now.cached for step in build.counted),
        {stage: _seconds(found) for stage, found in placed.items()},
        _seconds([step for step in steps if step.stage == "export"]),
        tuple((_seconds([step]), mask(step.title)) for step in slow if step.seconds() >= _SHORT),
        tuple(images(_read(metadata))),
        Context(*context, build.sent),
        read=tuple(name for name, error in build.imports.items() if not error),
    )


def show(found: Summary) -> None:
    """Print it for people; of a build that came to nothing all was said."""
    match found.result:
        case "built":
            print()
            _print_images(found, "")
            _print_times(found)
        case "up to date":
            _print_images(found, "up to date")
            print(f"{found.seconds:.1f} s, nothing changed (--force asks the builder)")


def show_if_built(found: Summary) -> None:
    """Print it for people, but nothing where nothing changed."""
    if found.result != "up to date":
        show(found)


def _print_images(found: Summary, instead: str) -> None:
    for image in found.images:
        print(f"{image.tag}  {image.id}  {image.size or instead}")


def _print_times(found: Summary) -> None:
    if found.steps:
        took = [f"{stage} {seconds:.1f} s" for stage, seconds in found.stages.items() if seconds >= _SHORT]
        took += [f"export {found.export:.1f} s"] if found.export >= _SHORT else []
        took += [f"exporting the cache {found.keeping:.1f} s"] if found.keeping >= _SHORT else []
        # BuildKit has numbers instead of names for those of this machine and of GitHub.
        far = [name for name in found.read if "/" in name] if found.cached else []
        took = [f"with the cache {' and '.join(far)}", *took] if far else took
        print(", ".join([f"{found.steps} steps, {found.cached} cached", *took]))
    for seconds, name in found.longest:
        print(f"{seconds:7.1f} s  {without_flags(name)[:80]}")
    context = found.context
    sent = "" if context.sent is None else f" ({format_size(context.sent)} sent)"
    print(f"{found.seconds:.1f} s, context {context.files} files, {format_size(context.bytes)}{sent}")


def as_json(found: Summary) -> dict[str, Any]:
    """It in plain types, for scripts."""
    return {**asdict(found), "longest": [{"seconds": seconds, "name": name} for seconds, name in found.longest]}


def unchanged(targets: tuple[str, ...], ids: Mapping[str, str], context: tuple[int, int], seconds: float) -> Summary:
    """The summary of a build that was not needed, of the images with these `ids`; sizes are not asked for."""
    found = tuple(Image(tag, image.removeprefix("sha256:")[:12], "") for tag, image in ids.items())
    return Summary("up to date", targets, round(seconds, 3), 0, 0, {}, 0.0, (), found, Context(*context))


def digests(metadata: Path) -> set[str]:
    """The ids that a build's images may have: of the manifest, or on the classic store of the configuration."""
    names = ("containerimage.digest", "containerimage.config.digest")
    targets = [target for target in _read(metadata).values() if isinstance(target, dict)]
    return {str(target[name]) for target in targets for name in names if name in target}


def images(metadata: Mapping[str, Any]) -> list[Image]:
    """The images of a build that this engine holds, by each of their tags; what went elsewhere is left out."""
    found = []
    for target in metadata.values():
        # Newer buildx puts lists of warnings beside the targets.
        names = target.get("image.name", "") if isinstance(target, dict) else ""
        for name in filter(None, names.split(",")):
            tag = name.removeprefix("docker.io/library/").removeprefix("docker.io/")
            argv = ("docker", "image", "ls", "--format", "{{.ID}} {{.Size}}", tag)
            if said := process.capture(Command(argv)).split():
                found.append(Image(tag, said[0], said[1]))
    return found


def _seconds(steps: list[Step]) -> float:
    return round(busy(steps), 3)


def _read(metadata: Path) -> dict[str, Any]:
    return dict(json.loads(metadata.read_text(encoding="utf-8"))) if metadata.is_file() else {}
