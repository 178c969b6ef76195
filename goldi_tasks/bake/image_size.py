"""What an image costs: its layers, what made them, what is in them, and what it could do without."""

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

# What is smaller is not worth a line.
_SMALL = 50_000


@dataclass(frozen=True)
class Layer:
    """A layer: the instruction that made it, its bytes unpacked and as they are kept, its largest contents."""

    made_by: str
    bytes: int
    stored: int
    contents: Mapping[str, int]


@dataclass(frozen=True)
class Spare:
    """Something that an image might do without: what, how many bytes of files, and what to do."""

    name: str
    bytes: int
    remedy: str


@dataclass(frozen=True)
class Size:
    """What an image costs; `listed` is what `docker images` says, `disk` what its unpacked layers take."""

    image: str
    listed: str
    store: str
    bytes: int
    stored: int
    disk: int
    layers: tuple[Layer, ...]
    spare: tuple[Spare, ...]


def measure(settings: Settings, target: str, top: int = 5) -> Size:
    """What the image of `target` costs, with the `top` largest contents of each layer.

    Raises UnknownName for a target that is not there or not built, NoDocker, NoEngine, NoPermission, CommandFailed.
    """
    image = _image(settings, target)
    docker = system_info.docker()
    listed = process.capture(Command(("docker", "image", "ls", "--format", "{{.Size}}", image))).split()
    if not listed:
        task = "build.prod" if target == "production" else f"build.target {target}"
        raise UnknownName(f"there is no image {image} here", f"Build it with `inv {task}`")
    form = ("--human=false", "--format", "{{.Size}}")
    disk = sum(map(int, process.capture(Command(("docker", "history", *form, image))).split()))
    read = saved_image.read(image)
    layers = tuple(_layer(layer, made_by, top) for layer, made_by in zip(read.layers, read.made_by, strict=True))
    unpacked, stored = sum(layer.bytes for layer in layers), sum(layer.stored for layer in layers)
    return Size(image, listed[0], docker.store, unpacked, stored, disk, layers, tuple(_spare(read.layers)))


def as_json(found: Size) -> dict[str, Any]:
    """It in plain types, for scripts."""
    return asdict(found)


def table(found: Size) -> Iterator[str]:
    """It in lines for people; sizes are in MB."""
    yield f"{'MB':>7} {'stored':>7}  {found.image}"
    for layer in found.layers:
        yield f"{_mb(layer.bytes):>7} {_mb(layer.stored):>7}  {layer.made_by[:90] or '(not said)'}"
        large = [f"{name} {_mb(size)}" for name, size in layer.contents.items() if size >= _SMALL]
        if large:
            yield f"{'':17} {', '.join(large)}"
    yield f"{_mb(found.bytes):>7} {_mb(found.stored):>7}  in all"
    yield _listed(found)
    if found.spare:
        yield "what an image may do without, or not:"
    for spare in found.spare:
        yield f"{_mb(spare.bytes):>7}  {spare.name}: {spare.remedy}"


def _image(settings: Settings, target: str) -> str:
    """The name of the image of `target`, as bake gives it. Raises UnknownName."""
    printed = json.loads(process.capture(builds.print_command(settings, (target,)), cwd=settings.project))["target"]
    tags = [tag for made in printed.values() for tag in made.get("tags", [])]
    if len(printed) != 1 or not tags:
        raise UnknownName(f"'{target}' has not one image", "Name a target, see `inv build.list`")
    return str(tags[0])


def _layer(layer: saved_image.Layer, made_by: str, top: int) -> Layer:
    largest = itertools.islice(layer_contents.by_owner(layer.files, layer.owners).items(), max(0, top))
    return Layer(made_by, layer.unpacked, layer.stored, dict(largest))


def _spare(layers: tuple[saved_image.Layer, ...]) -> Iterator[Spare]:
    read = [layer.files for layer in layers]
    lost = layer_contents.hidden(read)
    found = [("hidden files", lost, "a later layer replaces or removes them: do it in the layer that makes them")]
    found += layer_contents.spare([(path, size) for files in read for path, size in files.items()])
    return (Spare(*spare) for spare in found if spare[1] >= _SMALL)


def _listed(found: Size) -> str:
    """Why `docker images` says something else."""
    if found.store != "containerd":
        return f"docker images says {found.listed}: what the layers take unpacked, {_mb(found.disk)} MB"
    return (
        f"docker images says {found.listed}: the layers as they are stored and once more unpacked, "
        f"{_mb(found.stored)} + {_mb(found.disk)} MB"
    )


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f}"
