"""Read an exported cache, which is an OCI image layout: `index.json` and content-addressed blobs; find what is broken.

https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

INDEX = "index.json"
# The exceptions that reading a damaged layout may raise.
UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError)


def blobs(directory: Path) -> Path:
    """Return the directory of the blobs."""
    return directory / "blobs" / "sha256"


def read_referenced_sizes(directory: Path) -> dict[str, int]:
    """Return the size in bytes of each blob that the index refers to, by its sha256 in hex.

    The manifests on the way are read, and compared with their digests. Raises one of UNREADABLE, also for an index that
    refers to no blob, which buildx does not write.
    """
    sizes: dict[str, int] = {}
    for manifest in json.loads((directory / INDEX).read_bytes())["manifests"]:
        manifest_sizes = _parse_descriptor(manifest)
        sizes |= manifest_sizes
        for name in manifest_sizes:
            text = (blobs(directory) / name).read_bytes()
            if hashlib.sha256(text).hexdigest() != name:
                raise ValueError(name)
            for descriptor in _list_descriptors(json.loads(text)):
                sizes |= _parse_descriptor(descriptor)
    if not sizes:
        raise LookupError(directory)
    return sizes


def is_complete(directory: Path) -> bool:
    """Return whether every blob that the index refers to exists and has the right size; blobs are not read.

    A directory without an index is sound, too: no build imports anything from it.
    """
    try:
        if not (directory / INDEX).exists():
            return True
        return all(
            (blobs(directory) / name).stat().st_size == size for name, size in read_referenced_sizes(directory).items()
        )
    except UNREADABLE:
        return False


def list_unreferenced(directory: Path) -> Iterator[Path]:
    """Yield the blobs that the index does not refer to, and the `ingest` directory of an interrupted export.

    Raises one of UNREADABLE.
    """
    referenced = read_referenced_sizes(directory) if (directory / INDEX).exists() else {}
    yield from (blob for blob in blobs(directory).iterdir() if blob.name not in referenced)
    if (directory / "ingest").is_dir():
        yield directory / "ingest"


def size(directory: Path) -> int:
    """Return the total size in bytes of the blobs that the index refers to; 0 if it cannot be read."""
    try:
        return sum(read_referenced_sizes(directory).values())
    except UNREADABLE:
        return 0


def digest(blob: Path) -> str:
    """Return the sha256 of a blob's content, in hex. Raises OSError."""
    with blob.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _list_descriptors(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the descriptors in a manifest, or in an index: buildx 0.13 writes an index in the index."""
    yield from manifest.get("manifests", ())
    yield from manifest.get("layers", ())
    yield from filter(None, [manifest.get("config")])


def _parse_descriptor(descriptor: dict[str, Any]) -> dict[str, int]:
    """Return the size of a descriptor's blob by its sha256. Raises one of UNREADABLE."""
    algorithm, _, name = descriptor["digest"].partition(":")
    if algorithm != "sha256" or len(name) != 64 or not set(name) <= set("0123456789abcdef"):
        raise ValueError(descriptor["digest"])
    return {name: int(descriptor["size"])}
