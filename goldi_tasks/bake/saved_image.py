"""Read the output of `docker save` as a stream, with nothing unpacked to disk."""

import gzip
import io
import json
import re
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any, cast

from goldi_tasks import process
from goldi_tasks.bake import layer_contents
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed

_DEBIAN_LIST = re.compile(r"var/lib/dpkg/info/([^/:]+)(?::\w+)?\.list$")
_RECORD = re.compile(r".*\.dist-info/RECORD$")


@dataclass(frozen=True)
class Layer:
    """A layer: its bytes as `stored` by the engine and `unpacked`, the bytes of its `files` by path.

    `owners` maps the paths that packages list to the names of the packages.
    """

    stored: int
    unpacked: int
    files: Mapping[str, int]
    owners: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Archive:
    """An image: its layers from the lowest, and the instruction that created each of them."""

    layers: tuple[Layer, ...]
    made_by: tuple[str, ...]


def read(image: str) -> Archive:
    """Return the archive of `image`. Raises CommandFailed, Interrupted."""
    try:
        with process.pipe(Command(("docker", "save", image))) as stream:
            return parse(stream)
    except (tarfile.TarError, EOFError, OSError, ValueError, LookupError, _zstd().ZstdError) as error:
        problem = f"the output of `docker save {image}` cannot be read: {error}"
        raise CommandFailed(problem, 1, "Build the image again") from error


def parse(stream: IO[bytes]) -> Archive:
    """Parse a stream in the format of `docker save`.

    If it is truncated or damaged, it raises TarError, EOFError, OSError, ValueError, LookupError or zstd's ZstdError.
    """
    layers_by_name: dict[str, Layer] = {}
    texts: dict[str, bytes] = {}
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            blob = archive.extractfile(member) if member.isfile() else None
            if blob and _is_text(blob):
                texts[member.name] = blob.read()
            elif blob:
                layers_by_name[member.name] = _layer(blob, member.size)
            elif member.issym():
                # Older engines write equal layers once, and links for the others.
                layers_by_name[member.name] = layers_by_name[member.linkname.rpartition("../")[2]]
    (manifest, *_) = json.loads(texts["manifest.json"])
    layers = tuple(layers_by_name[name] for name in manifest["Layers"])
    return Archive(layers, instructions(json.loads(texts[manifest["Config"]]), len(layers)))


def instructions(config: Mapping[str, Any], number: int) -> tuple[str, ...]:
    """Return the instruction of each of `number` layers, "" for all if the configuration has another number."""
    steps = [step for step in config.get("history") or [] if not step.get("empty_layer")]
    texts = [_instruction(step.get("created_by", "")) for step in steps]
    return tuple(texts) if len(texts) == number else ("",) * number


def _instruction(text: str) -> str:
    """Return `created_by` of an image's history as the Dockerfile has it."""
    text = re.sub(r"^/bin/sh -c #\(nop\)\s*", "", text).removesuffix(" # buildkit")
    # Before the command the history has the number of build arguments and these.
    text = re.sub(r"^(RUN )?(\|\d+ .*?)?/bin/sh -c ", "RUN ", text, count=1, flags=re.DOTALL)
    return re.sub(r"\s+", " ", text).strip()


def _is_text(blob: IO[bytes]) -> bool:
    return isinstance(blob, io.BufferedReader) and blob.peek(1)[:1] in (b"{", b"[", b"")


def _layer(blob: IO[bytes], stored: int) -> Layer:
    """Read a layer, of which the engine stores `stored` bytes."""
    decompressed = unpacked(blob)
    files: dict[str, int] = {}
    owners: dict[str, str] = {}
    counter = _CountingReader(decompressed)
    with decompressed, tarfile.open(fileobj=cast(IO[bytes], counter), mode="r|") as layer:
        for member in layer:
            path = member.name.removeprefix("./")
            content = layer.extractfile(member) if member.isfile() else None
            if not member.isdir():
                files[path] = member.size
            if content and (package := _DEBIAN_LIST.match(path)):
                owners |= layer_contents.debian(content.read().decode("utf-8", "replace"), package[1])
            elif content and _RECORD.match(path):
                owners |= layer_contents.distribution(content.read().decode("utf-8", "replace"), path)
        while counter.read(1 << 16):
            # The padding at the end of the archive counts, too.
            continue
    return Layer(stored, counter.number, files, owners)


@dataclass
class _CountingReader:
    """A reader that counts the bytes read from `file`."""

    file: IO[bytes]
    number: int = 0

    def read(self, size: int = -1) -> bytes:
        content = self.file.read(size)
        self.number += len(content)
        return content


def _zstd() -> Any:
    """Import zstd when it is used: a part of Python from 3.14 on, a library before."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def unpacked(blob: IO[bytes]) -> IO[bytes]:
    """Return the decompressed tar archive of a layer's blob: gzip, zstd or uncompressed."""
    magic = blob.peek(4)[:4] if isinstance(blob, io.BufferedReader) else b""
    if magic[:2] == b"\x1f\x8b":
        return io.BufferedReader(gzip.GzipFile(fileobj=blob))
    if magic != b"\x28\xb5\x2f\xfd":
        return blob
    return io.BufferedReader(_zstd().ZstdFile(blob))
