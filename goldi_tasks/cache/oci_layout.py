"""An exported cache as an OCI layout: `index.json` over content-addressed blobs, and what of it is wrong.

https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

INDEX = "index.json"
# What reading a layout may end with, where it is none.
UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError)


def blobs(directory: Path) -> Path:
    """Where the blobs are."""
    return directory / "blobs" / "sha256"


def wanted(directory: Path) -> dict[str, int]:
    """The blobs that the index leads to, with their sizes in bytes; what is between is read, and held to its digest.

    Raises one of UNREADABLE, also for an index over nothing, which buildx does not write.
    """
    found: dict[str, int] = {}
    for entry in json.loads((directory / INDEX).read_bytes())["manifests"]:
        found |= _named(entry)
        for name in _named(entry):
            text = (blobs(directory) / name).read_bytes()
            if hashlib.sha256(text).hexdigest() != name:
                raise ValueError(name)
            for part in _parts(json.loads(text)):
                found |= _named(part)
    if not found:
        raise LookupError(directory)
    return found


def sound(directory: Path) -> bool:
    """Whether everything that the index leads to is there and as long as it should be; content is not read.

    A directory without an index is sound: nothing is taken from it.
    """
    try:
        if not (directory / INDEX).exists():
            return True
        return all((blobs(directory) / name).stat().st_size == size for name, size in wanted(directory).items())
    except UNREADABLE:
        return False


def orphans(directory: Path) -> Iterator[Path]:
    """Blobs that the index does not lead to, and what a cut off export left. Raises one of UNREADABLE."""
    known = wanted(directory) if (directory / INDEX).exists() else {}
    yield from (blob for blob in blobs(directory).iterdir() if blob.name not in known)
    if (directory / "ingest").is_dir():
        yield directory / "ingest"


def size(directory: Path) -> int:
    """The bytes of the blobs that the index leads to; 0 where it cannot be read."""
    try:
        return sum(wanted(directory).values())
    except UNREADABLE:
        return 0


def digest(blob: Path) -> str:
    """The sha256 of a blob, in hex. Raises OSError."""
    with blob.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parts(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a manifest names; buildx 0.13 writes an index in the index."""
    yield from manifest.get("manifests", ())
    yield from manifest.get("layers", ())
    yield from filter(None, [manifest.get("config")])


def _named(part: dict[str, Any]) -> dict[str, int]:
    algorithm, _, name = part["digest"].partition(":")
    if algorithm != "sha256" or len(name) != 64 or not set(name) <= set("0123456789abcdef"):
        raise ValueError(part["digest"])
    return {name: int(part["size"])}
