"""Local build caches, made by hand in the two forms that buildx writes."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks.cache import local


def blob(folder: Path, content: bytes) -> dict[str, Any]:
    """Write a blob; its descriptor."""
    digest = hashlib.sha256(content).hexdigest()
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (blobs / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def make(folder: Path, *, nested: bool) -> Path:
    """A cache of two layers: a manifest (newer buildx), or an index in an index (0.13)."""
    layers = [blob(folder, b"layer one"), blob(folder, b"layer two")]
    config = blob(folder, b"{}")
    inner = {"manifests": [*layers, config]} if nested else {"layers": layers, "config": config}
    outer = blob(folder, json.dumps(inner).encode())
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [outer]}))
    return folder


@pytest.fixture(params=[True, False], ids=["nested index", "manifest"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make(tmp_path / "cache", nested=request.param)


def named(folder: Path, content: bytes) -> Path:
    return folder / "blobs" / "sha256" / hashlib.sha256(content).hexdigest()


def manifest(folder: Path) -> Path:
    entry = json.loads((folder / "index.json").read_text())["manifests"][0]
    return folder / "blobs" / "sha256" / str(entry["digest"]).removeprefix("sha256:")


def test_a_whole_cache_is_kept(cache: Path) -> None:
    assert local.whole(cache)
    assert local.drop_corrupt([cache]) == []
    assert (cache / "index.json").exists()


def test_blobs_of_older_builds_do_no_harm(cache: Path) -> None:
    blob(cache, b"nobody names me any more")
    assert local.whole(cache)


@pytest.mark.parametrize("content", [b"layer one", b"layer two", b"{}"])
def test_a_flipped_byte(cache: Path, content: bytes) -> None:
    named(cache, content).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert not local.whole(cache)


@pytest.mark.parametrize("length", [0, 5])
def test_a_truncated_blob(cache: Path, length: int) -> None:
    named(cache, b"layer two").write_bytes(b"layer two"[:length])
    assert not local.whole(cache)


@pytest.mark.parametrize("content", [b"layer one", b"layer two", b"{}"])
def test_a_missing_blob(cache: Path, content: bytes) -> None:
    named(cache, content).unlink()
    assert not local.whole(cache)


def test_a_missing_manifest(cache: Path) -> None:
    manifest(cache).unlink()
    assert not local.whole(cache)


def test_a_truncated_manifest(cache: Path) -> None:
    manifest(cache).write_bytes(manifest(cache).read_bytes()[:20])
    assert not local.whole(cache)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b'{"manifests"',
        b"{}",
        b"[]",
        b"null",
        b'{"manifests": 7}',
        b'{"manifests": [7]}',
        b'{"manifests": [{"digest": 7}]}',
        b"\xff\xfe",
    ],
)
def test_a_broken_index(cache: Path, text: bytes) -> None:
    (cache / "index.json").write_bytes(text)
    assert not local.whole(cache)


def test_an_index_over_nothing(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text('{"manifests": []}')
    assert not local.whole(tmp_path)


def test_an_empty_or_absent_directory_is_whole(tmp_path: Path) -> None:
    assert local.whole(tmp_path)
    assert local.whole(tmp_path / "nowhere")


def test_only_the_corrupt_are_dropped(tmp_path: Path) -> None:
    good, bad = make(tmp_path / "good", nested=False), make(tmp_path / "bad", nested=True)
    named(bad, b"layer one").unlink()
    assert local.drop_corrupt([good, bad, tmp_path / "nowhere"]) == [bad]
    assert good.exists()
    assert not bad.exists()
