"""Local build caches as buildx writes them: an OCI layout, `index.json` over content-addressed blobs."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path


def drop_corrupt(directories: Sequence[Path]) -> list[Path]:
    """Remove those of `directories` in which a blob is missing or is not what its name says; returns them.

    Exporting again would not heal them: buildx skips blobs that are there.
    """
    bad = [directory for directory in directories if not whole(directory)]
    for directory in bad:
        shutil.rmtree(directory, ignore_errors=True)
    return bad


def whole(directory: Path) -> bool:
    """Whether every blob is what its name says and nothing that `index.json` leads to is missing.

    An empty directory is whole.
    """
    if not (directory / "index.json").exists():
        return True
    try:
        blobs = {blob.name: blob for blob in (directory / "blobs" / "sha256").iterdir()}
        return all(_digest(blob) == name for name, blob in blobs.items()) and blobs.keys() >= set(_wanted(directory))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


def _wanted(directory: Path) -> Iterator[str]:
    """The digests that the index names, and those that its manifests name (an index in an index in buildx 0.13)."""
    for entry in json.loads((directory / "index.json").read_bytes())["manifests"]:
        name = entry["digest"].removeprefix("sha256:")
        yield name
        manifest = json.loads((directory / "blobs" / "sha256" / name).read_bytes())
        for part in (
            *manifest.get("manifests", ()),
            *manifest.get("layers", ()),
            *filter(None, [manifest.get("config")]),
        ):
            yield part["digest"].removeprefix("sha256:")


def _digest(blob: Path) -> str:
    with blob.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
