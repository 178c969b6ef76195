"""Build the JSON files of the OCI image specification; the same input gives the same bits."""

import json
from typing import Any

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def select_descriptor(manifests: list[dict[str, Any]], architecture: str) -> dict[str, Any] | None:
    """Return the descriptor for `architecture` of an index, without its annotations; None if there is none."""
    for entry in manifests:
        if entry.get("platform", {}).get("architecture") == architecture:
            return described(str(entry["mediaType"]), str(entry["digest"]), int(entry["size"]), architecture)
    return None


def described(kind: str, digest: str, size: int, architecture: str = "") -> dict[str, Any]:
    """Return an OCI descriptor (image-spec, descriptor.md), of a platform if `architecture` is given."""
    platform = {"platform": {"architecture": architecture, "os": "linux"}} if architecture else {}
    return {"mediaType": kind, "digest": digest, "size": size, **platform}


def manifest(config: tuple[str, int], layer: tuple[str, int]) -> bytes:
    """Return the manifest of an image of one layer, packed with gzip; both by digest and size."""
    fields = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": described(_CONFIG, *config)}
    return _text(fields | {"layers": [described(_LAYER, *layer)]})


def manifest_of(digest: str, size: int, architecture: str = "") -> dict[str, Any]:
    """Return the descriptor of such a manifest; in an index it names its platform."""
    return described(_MANIFEST, digest, size, architecture)


def index(manifests: list[dict[str, Any]]) -> bytes:
    """Return an index over the images of several platforms, in a fixed order."""
    ordered = sorted(manifests, key=lambda descriptor: str(descriptor["platform"]["architecture"]))
    return _text({"schemaVersion": 2, "mediaType": _INDEX, "manifests": ordered})


def index_of(digest: str, size: int) -> dict[str, Any]:
    """Return the descriptor of such an index."""
    return described(_INDEX, digest, size)


def top(name: str, root: dict[str, Any]) -> bytes:
    """Return index.json of an OCI layout, from which `docker load` loads what `root` describes as `name`."""
    annotations = {"annotations": {"io.containerd.image.name": name}}
    return _text({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [root | annotations]})


def blob(digest: str) -> str:
    """Return the path of a blob in an OCI layout."""
    return f"blobs/{digest.replace(':', '/')}"


def legacy(name: str, config: str, layer: str) -> bytes:
    """Return manifest.json, for engines without the containerd image store; config and layer by digest."""
    return json.dumps([{"Config": blob(config), "RepoTags": [name], "Layers": [blob(layer)]}]).encode()


def _text(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
