"""Images as `docker save` writes and `docker load` reads them: a tar file of an OCI layout."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from goldi_tasks.plan import foreign as plan


@contextmanager
def opened(saved: Path, architecture: str) -> Iterator[tuple[list[dict[str, Any]], tarfile.TarFile]]:
    """The descriptors of an image saved as a file, by platform, and its one layer for `architecture`."""
    with tarfile.open(saved) as whole:
        manifests = _read(whole, "index.json")["manifests"]
        if "index" in manifests[0]["mediaType"] or "list" in manifests[0]["mediaType"]:
            manifests = _blob(whole, manifests[0])["manifests"]
        else:
            config = _blob(whole, _blob(whole, manifests[0])["config"])
            manifests = [{**manifests[0], "platform": {"architecture": config["architecture"], "os": "linux"}}]
        ours = plan.chosen(manifests, architecture) or manifests[0]
        layer = whole.extractfile(_name(_blob(whole, ours)["layers"][0]))
        with tarfile.open(fileobj=layer) as files:
            yield manifests, files


def write(path: Path, name: str, index: bytes, blobs: Sequence[bytes], layer: Path) -> Path:
    """The layout of an index under `name`, with the blobs that the engine lacks; nothing of today is in it."""
    with tarfile.open(path, "w") as archive:
        top = plan.top(name, sha256(index), len(index))
        texts = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": top}
        for path_in, text in (*texts.items(), *((f"blobs/{sha256(blob)}", blob) for blob in (index, *blobs))):
            entry = tarfile.TarInfo(path_in.replace("sha256:", "sha256/"))
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
        digest, size = digest_of(layer)
        entry = tarfile.TarInfo(f"blobs/{digest.replace(':', '/')}")
        entry.size = size
        with layer.open("rb") as source:
            archive.addfile(entry, source)
    return path


def sha256(text: bytes) -> str:
    """The digest of a blob."""
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def digest_of(file: Path) -> tuple[str, int]:
    """Digest and size of a file."""
    with file.open("rb") as opened:
        return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}", file.stat().st_size


def _read(whole: tarfile.TarFile, name: str) -> Any:
    file = whole.extractfile(name)
    return json.load(file) if file else {}


def _blob(whole: tarfile.TarFile, described: dict[str, Any]) -> Any:
    return _read(whole, _name(described))


def _name(described: dict[str, Any]) -> str:
    return f"blobs/{described['digest'].replace(':', '/')}"
