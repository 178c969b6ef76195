"""Measure an image: the size, instruction and largest contents of each layer, and files that it may not need."""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from goldi_tasks import process
from goldi_tasks.bake import builds, layer_contents, saved_image
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.errors import UnknownName
from goldi_tasks.settings import Settings

# Bytes below which contents and removable files are not listed.
_MIN_BYTES = 50_000


@dataclass(frozen=True)
class LayerSize:
    """A layer: the instruction that made it, its bytes unpacked and as stored, the bytes of its largest contents."""

    made_by: str
    bytes: int
    stored: int
    contents: Mapping[str, int]


@dataclass(frozen=True)
class Spare:
    """A kind of files that an image may not need: its name, the bytes of the files, and how to remove them."""

    name: str
    bytes: int
    remedy: str


@dataclass(frozen=True)
class ImageSize:
    """The size of an image: all layers unpacked (`bytes`) and as `stored`, on `disk` by `docker history`.

    `listed` is the text that `docker images` prints. All other sizes are bytes.
    """

    image: str
    listed: str
    store: str
    bytes: int
    stored: int
    disk: int
    layers: tuple[LayerSize, ...]
    spare: tuple[Spare, ...]


def measure(settings: Settings, target: str, top: int = 5) -> ImageSize:
    """Measure the image of `target`, with the `top` largest contents of each layer.

    Raises UnknownName for an unknown target or one that is not built, NoDocker, NoEngine, NoPermission, CommandFailed.
    """
    image = _image_name(settings, target)
    docker = system_info.docker()
    listed = process.capture(Command(("docker", "image", "ls", "--format", "{{.Size}}", image))).split()
    if not listed:
        task = "build.prod" if target == "production" else f"build.target {target}"
        raise UnknownName(f"there is no image {image} here", f"Build it with `inv {task}`")
    flags = ("--human=false", "--format", "{{.Size}}")
    disk = sum(map(int, process.capture(Command(("docker", "history", *flags, image))).split()))
    archive = saved_image.read(image)
    instructions = zip(archive.layers, archive.made_by, strict=True)
    layers = tuple(_layer(layer, made_by, top) for layer, made_by in instructions)
    unpacked, stored = sum(layer.bytes for layer in layers), sum(layer.stored for layer in layers)
    return ImageSize(image, listed[0], docker.store, unpacked, stored, disk, layers, tuple(_removable(archive.layers)))


def as_json(size: ImageSize) -> dict[str, Any]:
    """Return a size in the types of JSON."""
    return asdict(size)


def table(size: ImageSize) -> Iterator[str]:
    """Format a size as the lines of a table, in MB."""
    yield f"{'MB':>7} {'stored':>7}  {size.image}"
    for layer in size.layers:
        yield f"{_mb(layer.bytes):>7} {_mb(layer.stored):>7}  {layer.made_by[:90] or '(unknown)'}"
        large = [f"{name} {_mb(count)}" for name, count in layer.contents.items() if count >= _MIN_BYTES]
        if large:
            yield f"{'':17} {', '.join(large)}"
    yield f"{_mb(size.bytes):>7} {_mb(size.stored):>7}  in total"
    yield _explain_listed(size)
    if size.spare:
        yield "files that the image may not need:"
    for row in size.spare:
        yield f"{_mb(row.bytes):>7}  {row.name}: {row.remedy}"


def _image_name(settings: Settings, target: str) -> str:
    """Return the first tag of the image of `target` in the bake file. Raises UnknownName."""
    printed = json.loads(process.capture(builds.print_command(settings, (target,)), cwd=settings.project))["target"]
    tags = [tag for row in printed.values() for tag in row.get("tags", [])]
    if len(printed) != 1 or not tags:
        raise UnknownName(f"'{target}' does not name a single image", "Name a single target, see `inv build.list`")
    return str(tags[0])


def _layer(layer: saved_image.Layer, made_by: str, top: int) -> LayerSize:
    largest = itertools.islice(layer_contents.by_owner(layer.files, layer.owners).items(), max(0, top))
    return LayerSize(made_by, layer.unpacked, layer.stored, dict(largest))


def _removable(layers: tuple[saved_image.Layer, ...]) -> Iterator[Spare]:
    """Return the kinds of files that the image may not need."""
    layer_files = [layer.files for layer in layers]
    hidden = layer_contents.hidden(layer_files)
    rows = [("hidden files", hidden, "a later layer replaces or removes them: do it in the layer that makes them")]
    rows += layer_contents.find_removable([(path, size) for files in layer_files for path, size in files.items()])
    return (Spare(*row) for row in rows if row[1] >= _MIN_BYTES)


def _explain_listed(size: ImageSize) -> str:
    """Explain the size that `docker images` prints."""
    if size.store != "containerd":
        return f"docker images says {size.listed}: the unpacked layers, {_mb(size.disk)} MB"
    return (
        f"docker images says {size.listed}: the stored layers and the unpacked ones, "
        f"{_mb(size.stored)} + {_mb(size.disk)} MB"
    )


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f}"
