"""Summarize a build, as text and as JSON: steps, images, sizes and times."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from goldi_tasks import process
from goldi_tasks.bake.progress.running_build import RunningBuild
from goldi_tasks.bake.progress.step import Step, count_busy_seconds, without_flags
from goldi_tasks.command import Command, mask
from goldi_tasks.units import format_size

# Seconds below which a time is not printed.
_MIN_SECONDS = 0.1


@dataclass(frozen=True)
class BuiltImage:
    """An image in the engine's store: its tag, short id, and `size` as `docker images` prints it."""

    tag: str
    id: str
    size: str


@dataclass(frozen=True)
class ContextSize:
    """The size of the build context: files, their bytes, and the bytes `sent` to the builder (None if unknown)."""

    files: int
    bytes: int
    sent: int | None = None


@dataclass(frozen=True)
class Summary:
    """The result of a build: "built", "failed", "interrupted" or "up to date"; `steps` counts cacheable instructions.

    `stages` holds the seconds of each stage, `export` those of the image's export, `keeping` those of the export of
    caches. `longest` are the slowest steps, as seconds and name. `read` are the names of the imported caches outside of
    the builder, `asked` is the reason for which bake was run.
    """

    result: str
    targets: tuple[str, ...]
    seconds: float
    steps: int
    cached: int
    stages: Mapping[str, float]
    export: float
    longest: tuple[tuple[float, str], ...]
    images: tuple[BuiltImage, ...]
    context: ContextSize
    keeping: float = 0.0
    read: tuple[str, ...] = ()
    asked: str = ""


def gather(
    result: str, targets: tuple[str, ...], build: RunningBuild, metadata: Path, context: tuple[int, int], seconds: float
) -> Summary:
    """Return the summary of a `build` that took `seconds`; `metadata` is the file that buildx wrote.

    `context` is the number of files in the context and their bytes.
    """
    steps = sorted(build.steps.values(), key=lambda step: step.number)
    steps_by_stage: dict[str, list[Step]] = {}
    for step in steps:
        if step.placed:
            steps_by_stage.setdefault(step.stage, []).append(step)
    slowest = sorted((step for step in steps if step.placed), key=Step.seconds, reverse=True)[:3]
    return Summary(
        result,
        targets,
        round(seconds, 3),
        len(build.counted),
        sum(step.now.cached for step in build.counted),
        {stage: _seconds(stage_steps) for stage, stage_steps in steps_by_stage.items()},
        _seconds([step for step in steps if step.stage == "export"]),
        tuple((_seconds([step]), mask(step.title)) for step in slowest if step.seconds() >= _MIN_SECONDS),
        tuple(images(_read_metadata(metadata))),
        ContextSize(*context, build.sent),
        read=tuple(name for name, error in build.imports.items() if not error),
    )


def show(summary: Summary) -> None:
    """Print a summary; nothing for a failed or interrupted build, whose error is printed elsewhere."""
    match summary.result:
        case "built":
            print()
            _print_images(summary, "")
            _print_times(summary)
        case "up to date":
            _print_images(summary, "up to date")
            print(f"{summary.seconds:.1f} s, nothing changed (--force asks the builder)")


def show_if_built(summary: Summary) -> None:
    """Print a summary, but nothing if the targets are up to date."""
    if summary.result != "up to date":
        show(summary)


def _print_images(summary: Summary, instead_of_size: str) -> None:
    for image in summary.images:
        print(f"{image.tag}  {image.id}  {image.size or instead_of_size}")


def _print_times(summary: Summary) -> None:
    if summary.steps:
        times = [f"{stage} {seconds:.1f} s" for stage, seconds in summary.stages.items() if seconds >= _MIN_SECONDS]
        times += [f"export {summary.export:.1f} s"] if summary.export >= _MIN_SECONDS else []
        times += [f"exporting the cache {summary.keeping:.1f} s"] if summary.keeping >= _MIN_SECONDS else []
        # Registry caches only: BuildKit numbers local ones and those of GitHub, instead of naming them.
        registry_caches = [name for name in summary.read if "/" in name] if summary.cached else []
        times = [f"with the cache {' and '.join(registry_caches)}", *times] if registry_caches else times
        print(", ".join([f"{summary.steps} steps, {summary.cached} cached", *times]))
    for seconds, name in summary.longest:
        print(f"{seconds:7.1f} s  {without_flags(name)[:80]}")
    context = summary.context
    sent = "" if context.sent is None else f" ({format_size(context.sent)} sent)"
    print(f"{summary.seconds:.1f} s, context {context.files} files, {format_size(context.bytes)}{sent}")


def as_json(summary: Summary) -> dict[str, Any]:
    """Return a summary in the types of JSON; each of `longest` is an object with `seconds` and `name`."""
    return {**asdict(summary), "longest": [{"seconds": seconds, "name": name} for seconds, name in summary.longest]}


def unchanged(targets: tuple[str, ...], ids: Mapping[str, str], context: tuple[int, int], seconds: float) -> Summary:
    """Return the summary of targets that are up to date, with the image `ids` by tag and without image sizes."""
    current_images = tuple(BuiltImage(tag, image.removeprefix("sha256:")[:12], "") for tag, image in ids.items())
    return Summary("up to date", targets, round(seconds, 3), 0, 0, {}, 0.0, (), current_images, ContextSize(*context))


def digests(metadata: Path) -> set[str]:
    """Return the possible ids of built images: manifest digests, on the classic store those of configurations."""
    names = ("containerimage.digest", "containerimage.config.digest")
    targets = [target for target in _read_metadata(metadata).values() if isinstance(target, dict)]
    return {str(target[name]) for target in targets for name in names if name in target}


def images(metadata: Mapping[str, Any]) -> list[BuiltImage]:
    """Return the built images that this engine has, one for each tag; pushed or exported ones are left out."""
    built = []
    for target in metadata.values():
        # Newer releases of buildx add lists of warnings beside the targets.
        names = target.get("image.name", "") if isinstance(target, dict) else ""
        for name in filter(None, names.split(",")):
            tag = name.removeprefix("docker.io/library/").removeprefix("docker.io/")
            argv = ("docker", "image", "ls", "--format", "{{.ID}} {{.Size}}", tag)
            if columns := process.capture(Command(argv)).split():
                built.append(BuiltImage(tag, columns[0], columns[1]))
    return built


def _seconds(steps: list[Step]) -> float:
    return round(count_busy_seconds(steps), 3)


def _read_metadata(metadata: Path) -> dict[str, Any]:
    return dict(json.loads(metadata.read_text(encoding="utf-8"))) if metadata.is_file() else {}
