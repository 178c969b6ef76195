"""An image as `docker save` gives it: read once, as it comes, with nothing unpacked to disk."""

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

_DEBIAN = re.compile(r"var/lib/dpkg/info/([^/:]+)(?::\w+)?\.list$")
_RECORD = re.compile(r".*\.dist-info/RECORD$")


@dataclass(frozen=True)
class Layer:
    """A layer: bytes as the engine keeps it and unpacked, its files' bytes by path, whose they are."""

    stored: int
    unpacked: int
    files: Mapping[str, int]
    owners: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Archive:
    """An image: its layers from the lowest, and the instruction that made each of them."""

    layers: tuple[Layer, ...]
    made_by: tuple[str, ...]


def read(image: str) -> Archive:
    """The archive of `image`. Raises CommandFailed, Interrupted."""
    try:
        with process.pipe(Command(("docker", "save", image))) as out:
            return parse(out)
    except (tarfile.TarError, EOFError, OSError, ValueError, LookupError, *_damaged()) as error:
        raise CommandFailed(f"what `docker save {image}` gives cannot be read: {error}", 1, "Build it again") from error


def parse(out: IO[bytes]) -> Archive:
    """What a file in the format of `docker save` holds.

    Raises what reading raises where it is cut or damaged: TarError, EOFError, OSError, ValueError, LookupError.
    """
    blobs: dict[str, Layer] = {}
    texts: dict[str, bytes] = {}
    with tarfile.open(fileobj=out, mode="r|") as archive:
        for member in archive:
            blob = archive.extractfile(member) if member.isfile() else None
            if blob and _is_text(blob):
                texts[member.name] = blob.read()
            elif blob:
                blobs[member.name] = _layer(blob, member.size)
            elif member.issym():
                # Older engines give an equal layer once.
                blobs[member.name] = blobs[member.linkname.rpartition("../")[2]]
    (manifest, *_) = json.loads(texts["manifest.json"])
    layers = tuple(blobs[name] for name in manifest["Layers"])
    return Archive(layers, instructions(json.loads(texts[manifest["Config"]]), len(layers)))


def instructions(config: Mapping[str, Any], number: int) -> tuple[str, ...]:
    """The instruction of each of `number` layers, "" where the image's configuration does not say."""
    steps = [step for step in config.get("history") or [] if not step.get("empty_layer")]
    said = [_instruction(step.get("created_by", "")) for step in steps]
    return tuple(said) if len(said) == number else ("",) * number


def _instruction(text: str) -> str:
    """As it stands in the Dockerfile."""
    text = re.sub(r"^/bin/sh -c #\(nop\)\s*", "", text).removesuffix(" # buildkit")
    # Arguments of the build stand before a command, by their number.
    text = re.sub(r"^(RUN )?(\|\d+ .*?)?/bin/sh -c ", "RUN ", text, count=1, flags=re.DOTALL)
    return re.sub(r"\s+", " ", text).strip()


def _is_text(blob: IO[bytes]) -> bool:
    return isinstance(blob, io.BufferedReader) and blob.peek(1)[:1] in (b"{", b"[", b"")


def _layer(blob: IO[bytes], stored: int) -> Layer:
    plain = unpacked(blob)
    files: dict[str, int] = {}
    owners: dict[str, str] = {}
    counted = _Counted(plain)
    with plain, tarfile.open(fileobj=cast(IO[bytes], counted), mode="r|") as layer:
        for member in layer:
            path = member.name.removeprefix("./")
            content = layer.extractfile(member) if member.isfile() else None
            if not member.isdir():
                files[path] = member.size
            if content and (package := _DEBIAN.match(path)):
                owners |= layer_contents.debian(content.read().decode("utf-8", "replace"), package[1])
            elif content and _RECORD.match(path):
                owners |= layer_contents.distribution(content.read().decode("utf-8", "replace"), path)
        while counted.read(1 << 16):
            # What fills an archive up to its end is part of it.
            continue
    return Layer(stored, counted.number, files, owners)


@dataclass
class _Counted:
    """A file that knows how many bytes were read of it."""

    file: IO[bytes]
    number: int = 0

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(size)
        self.number += len(data)
        return data


def _zstd() -> Any:
    """Imported where it is used: it is part of Python from 3.14 on, a library before."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def _damaged() -> tuple[type[Exception]]:
    return (_zstd().ZstdError,)


def unpacked(blob: IO[bytes]) -> IO[bytes]:
    """The archive in a layer's blob, whatever it is packed with."""
    magic = blob.peek(4)[:4] if isinstance(blob, io.BufferedReader) else b""
    if magic[:2] == b"\x1f\x8b":
        return io.BufferedReader(gzip.GzipFile(fileobj=blob))
    if magic != b"\x28\xb5\x2f\xfd":
        return blob
    return io.BufferedReader(_zstd().ZstdFile(blob))
