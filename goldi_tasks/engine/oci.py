"""Images as files, by the OCI image specification: the same input gives the same bits."""

import json
from typing import Any

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def chosen(manifests: list[dict[str, Any]], architecture: str) -> dict[str, Any] | None:
    """Of an index's descriptors the one for `architecture`, without whatever else is noted of it."""
    for one in manifests:
        if one.get("platform", {}).get("architecture") == architecture:
            return described(str(one["mediaType"]), str(one["digest"]), int(one["size"]), architecture)
    return None


def described(kind: str, digest: str, size: int, architecture: str = "") -> dict[str, Any]:
    """An OCI descriptor (image-spec, descriptor.md), of a platform where an `architecture` is given."""
    platform = {"platform": {"architecture": architecture, "os": "linux"}} if architecture else {}
    return {"mediaType": kind, "digest": digest, "size": size, **platform}


def manifest(config: tuple[str, int], layer: tuple[str, int]) -> bytes:
    """The manifest of an image of one layer, packed with gzip; both by digest and size."""
    said = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": described(_CONFIG, *config)}
    return _text(said | {"layers": [described(_LAYER, *layer)]})


def manifest_of(digest: str, size: int, architecture: str = "") -> dict[str, Any]:
    """The descriptor of such a manifest; in an index it names its platform."""
    return described(_MANIFEST, digest, size, architecture)


def index(manifests: list[dict[str, Any]]) -> bytes:
    """One index over the images of several platforms, in a fixed order."""
    ordered = sorted(manifests, key=lambda one: str(one["platform"]["architecture"]))
    return _text({"schemaVersion": 2, "mediaType": _INDEX, "manifests": ordered})


def index_of(digest: str, size: int) -> dict[str, Any]:
    """The descriptor of such an index."""
    return described(_INDEX, digest, size)


def top(name: str, root: dict[str, Any]) -> bytes:
    """The index.json of an OCI layout from which `docker load` takes what `root` describes, under `name`."""
    named = {"annotations": {"io.containerd.image.name": name}}
    return _text({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [root | named]})


def blob(digest: str) -> str:
    """Where an OCI layout has the blob of a digest."""
    return f"blobs/{digest.replace(':', '/')}"


def legacy(name: str, config: str, layer: str) -> bytes:
    """The manifest.json beside it, which engines with the store of before read; config and layer by digest."""
    return json.dumps([{"Config": blob(config), "RepoTags": [name], "Layers": [blob(layer)]}]).encode()


def _text(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
