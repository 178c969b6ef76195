"""Read what `docker save` writes and write what `docker load` reads: a tar file of an OCI layout."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from goldi_tasks.engine import oci


@contextmanager
def opened(saved: Path, architecture: str) -> Iterator[tuple[list[dict[str, Any]], tarfile.TarFile]]:
    """Open a saved image; return its descriptors, by platform, and its only layer for `architecture`."""
    with tarfile.open(saved) as archive:
        manifests = _read(archive, "index.json")["manifests"]
        if "index" in manifests[0]["mediaType"] or "list" in manifests[0]["mediaType"]:
            manifests = _read_blob(archive, manifests[0])["manifests"]
        else:
            config = _read_blob(archive, _read_blob(archive, manifests[0])["config"])
            manifests = [{**manifests[0], "platform": {"architecture": config["architecture"], "os": "linux"}}]
        descriptor = oci.select_descriptor(manifests, architecture) or manifests[0]
        layer = archive.extractfile(oci.blob(_read_blob(archive, descriptor)["layers"][0]["digest"]))
        with tarfile.open(fileobj=layer) as files:
            yield manifests, files


@dataclass(frozen=True)
class PackedLayer:
    """A packed layer: the file, its digest and size, and the digest of the unpacked tar file."""

    path: Path
    digest: str
    size: int
    diff_id: str


def packed(tar: Path) -> PackedLayer:
    """Pack `tar` as a layer, like one from a registry, and remove it; return the layer.

    Caches of builds on this image contain the layer as it is; packed it is less than half as large. The fastest level
    suffices (measured: 48 MB of 117 in 2.8 s; level 6 makes 44 MB in 6.9 s).
    """
    path, tar_hash = tar.with_suffix(".gz"), hashlib.sha256()
    # No name and no time: the same tar gives the same bits.
    with tar.open("rb") as source, path.open("wb") as file, gzip.GzipFile("", "wb", 1, file, mtime=0) as target:
        while chunk := source.read(1 << 20):
            tar_hash.update(chunk)
            target.write(chunk)
    tar.unlink()
    with path.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    return PackedLayer(path, f"sha256:{digest}", path.stat().st_size, f"sha256:{tar_hash.hexdigest()}")


def write(path: Path, top: bytes, blobs: Sequence[bytes], layer: PackedLayer, legacy: bytes = b"") -> Path:
    """Write the layout with `top` as index.json and the blobs that the engine lacks, without the present date."""
    texts = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": top}
    texts |= {"manifest.json": legacy} if legacy else {}
    texts |= {oci.blob(sha256(blob)): blob for blob in blobs}
    with tarfile.open(path, "w") as archive:
        for name, text in texts.items():
            _add(archive, name, len(text), io.BytesIO(text))
        with layer.path.open("rb") as source:
            _add(archive, oci.blob(layer.digest), layer.size, source)
    return path


def _add(archive: tarfile.TarFile, name: str, size: int, source: IO[bytes]) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = size
    archive.addfile(entry, source)


def sha256(text: bytes) -> str:
    """Return the digest of a blob."""
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def _read(archive: tarfile.TarFile, name: str) -> Any:
    file = archive.extractfile(name)
    return json.load(file) if file else {}


def _read_blob(archive: tarfile.TarFile, descriptor: dict[str, Any]) -> Any:
    return _read(archive, oci.blob(descriptor["digest"]))
