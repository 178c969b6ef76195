"""Local build caches, made by hand in the two forms that buildx writes."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks import atomic
from goldi_tasks.cache import cache_directories, oci_layout, repair, staged_export
from goldi_tasks.paths import Roots, build_cache
from tests.test_cache_dirs import may_give


def whole(folder: Path) -> bool:
    return not repair.verify(folder).bad


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
    assert whole(cache)
    assert repair.drop_corrupt([cache]) == []
    assert (cache / "index.json").exists()


def test_blobs_of_older_builds_do_no_harm(cache: Path) -> None:
    blob(cache, b"nobody names me any more")
    assert whole(cache)


@pytest.mark.parametrize("content", [b"layer one", b"layer two", b"{}"])
def test_a_flipped_byte(cache: Path, content: bytes) -> None:
    named(cache, content).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert not whole(cache)


@pytest.mark.parametrize("length", [0, 5])
def test_a_truncated_blob(cache: Path, length: int) -> None:
    named(cache, b"layer two").write_bytes(b"layer two"[:length])
    assert not whole(cache)


@pytest.mark.parametrize("content", [b"layer one", b"layer two", b"{}"])
def test_a_missing_blob(cache: Path, content: bytes) -> None:
    named(cache, content).unlink()
    assert not whole(cache)


def test_a_missing_manifest(cache: Path) -> None:
    manifest(cache).unlink()
    assert not whole(cache)


def test_a_truncated_manifest(cache: Path) -> None:
    manifest(cache).write_bytes(manifest(cache).read_bytes()[:20])
    assert not whole(cache)


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
    assert not whole(cache)


def test_an_index_over_nothing(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text('{"manifests": []}')
    assert not whole(tmp_path)


def test_an_empty_or_absent_directory_is_whole(tmp_path: Path) -> None:
    assert whole(tmp_path)
    assert whole(tmp_path / "nowhere")


def test_only_the_corrupt_are_dropped(tmp_path: Path) -> None:
    good, bad = make(tmp_path / "good", nested=False), make(tmp_path / "bad", nested=True)
    named(bad, b"layer one").unlink()
    assert repair.drop_corrupt([good, bad, tmp_path / "nowhere"]) == [bad]
    assert good.exists()
    assert not bad.exists()


@pytest.mark.parametrize("content", [b"layer one", b"layer two"])
def test_a_look_sees_what_is_cut_or_missing_and_not_what_is_flipped(cache: Path, content: bytes) -> None:
    assert oci_layout.is_complete(cache)
    named(cache, content).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert oci_layout.is_complete(cache)
    named(cache, content).write_bytes(content[1:])
    assert not oci_layout.is_complete(cache)
    named(cache, content).unlink()
    assert not oci_layout.is_complete(cache)
    assert repair.drop_unsound([cache]) == [cache]
    assert not cache.exists()
    assert list(cache.parent.iterdir()) == []


def test_a_look_holds_the_manifest_to_its_digest(cache: Path) -> None:
    text = manifest(cache).read_bytes()
    manifest(cache).write_bytes(text.replace(b": 9", b": 8"))
    assert not oci_layout.is_complete(cache)


def test_what_verify_finds_bad_goes_and_the_rest_is_swept(cache: Path) -> None:
    orphan = named(cache, b"nobody names me any more")
    blob(cache, b"nobody names me any more")
    (cache / "ingest" / "x").mkdir(parents=True)
    found = repair.verify(cache)
    repair.repair(found)
    # It may be that of an export which is at work.
    assert (found.bad, found.dropped, found.swept, orphan.exists()) == ([], False, 0, True)
    for path in (orphan, cache / "ingest"):
        os.utime(path, (0, 0))
    repair.repair(found)
    assert (found.swept, orphan.exists(), (cache / "ingest").exists()) == (2, False, False)
    assert whole(cache)
    named(cache, b"layer two").write_bytes(b"layer 2!!")
    bad = repair.verify(cache)
    repair.repair(bad)
    assert bad.bad == [named(cache, b"layer two").name]
    assert bad.dropped
    assert not cache.exists()


def test_verify_tells_of_every_byte(cache: Path) -> None:
    heard: list[int] = []
    found = repair.verify(cache, heard.append)
    assert (len(heard), sum(heard)) == (found.blobs, found.bytes)
    assert found.blobs == 4


def test_an_export_takes_the_place_of_the_cache_when_it_is_whole(cache: Path) -> None:
    before = sorted(path.name for path in oci_layout.blobs(cache).iterdir())
    with staged_export.create_exports([cache]) as (one,):
        assert one.place.parent == cache.parent
        assert sorted(path.name for path in oci_layout.blobs(one.place).iterdir()) == before, "nothing is written again"
        new = make(one.place, nested=False)
        blob(new, b"of an export before")
        assert whole(cache)
        assert one.put()
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]
    assert whole(cache)
    assert len(list(oci_layout.blobs(cache).iterdir())) == 4, "nothing that the index does not lead to"


def test_a_first_export(tmp_path: Path) -> None:
    with staged_export.create_exports([tmp_path / "native"]) as (one,):
        make(one.place, nested=True)
        assert one.put()
    assert [path.name for path in tmp_path.iterdir()] == ["native"]
    assert whole(tmp_path / "native")


def test_an_export_that_fails_or_is_cut_off_leaves_the_cache_as_it_was(cache: Path) -> None:
    before = {path: path.read_bytes() for path in cache.rglob("*") if path.is_file()}

    def unchanged() -> bool:
        return {path: path.read_bytes() for path in cache.parent.rglob("*") if path.is_file()} == before

    with pytest.raises(KeyboardInterrupt), staged_export.create_exports([cache]):
        raise KeyboardInterrupt
    assert unchanged()
    with staged_export.create_exports([cache]) as (one,):
        assert not one.put(), "buildx wrote no index"
    assert unchanged()
    with staged_export.create_exports([cache]) as (one,):
        make(one.place, nested=False)
        named(one.place, b"layer one").unlink()
        assert not one.put(), "one blob is missing"
    assert unchanged()


def test_what_a_killed_export_left_goes_and_what_another_is_at_stays(cache: Path) -> None:
    left = cache.with_name(f"{atomic.PREFIX}new-cache-12345678")
    left.mkdir()
    (left / "half").touch()
    with staged_export.create_exports([cache]) as (one,):
        assert not left.exists()
        assert staged_export.remove_abandoned(cache.parent) == []
        with staged_export.create_exports([cache]) as (other,):
            assert one.place != other.place
            make(one.place, nested=False)
            make(other.place, nested=True)
            assert other.put()
            assert one.put()
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]
    assert whole(cache)


@pytest.mark.door
def test_a_program_that_outlives_us_holds_what_it_writes_to(cache: Path) -> None:
    script = "import os,sys; os.kill(os.getppid(), 9); sys.stdin.read()"
    ours = f"""
import sys
from pathlib import Path
from goldi_tasks import process
from goldi_tasks.cache import staged_export
from goldi_tasks.command import Command
with staged_export.create_exports([Path({str(cache)!r})]):
    process.run_in_terminal(Command((sys.executable, "-c", {script!r})))
"""
    with subprocess.Popen((sys.executable, "-c", ours), stdin=subprocess.PIPE) as killed:
        assert killed.wait() == -9
        place = next(path for path in cache.parent.iterdir() if path.name.startswith(atomic.PREFIX))
        assert staged_export.remove_abandoned(cache.parent) == []
        assert place.exists()
        assert killed.stdin
        killed.stdin.close()
        end = time.monotonic() + 10
        while not staged_export.remove_abandoned(cache.parent):
            assert time.monotonic() < end
            time.sleep(0.01)
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]


@pytest.mark.parametrize("by_itself", [True, False], ids=["exchange", "three renames"])
def test_directories_change_places(tmp_path: Path, by_itself: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not by_itself:
        monkeypatch.setattr(atomic, "_renameat2", lambda: None)
    for name in ("one", "two"):
        (tmp_path / name / name).mkdir(parents=True)
    atomic.swap(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "one" / "two").exists()
    assert (tmp_path / "two" / "one").exists()
    assert len(list(tmp_path.iterdir())) == 2
    atomic.swap(tmp_path / "one", tmp_path / "three")
    assert (tmp_path / "three" / "two").exists()
    with pytest.raises(OSError, match="one"):
        atomic.swap(tmp_path / "one", tmp_path / "two")


def test_every_cache_is_found_and_what_is_not_ours_is_refused(tmp_path: Path) -> None:
    roots = Roots(tmp_path)
    cache_directories.set_up(Roots(tmp_path))
    there = roots.folder(build_cache("tools")) / "a-00000000" / "native"
    make_in = make(there, nested=True)
    (there.parent / f"{atomic.PREFIX}new-native-1").mkdir()
    roots.folder(build_cache("runtime")).rename(tmp_path / "elsewhere")
    roots.folder(build_cache("runtime")).symlink_to(tmp_path / "elsewhere")
    found, refused = repair.list_local_caches(roots)
    assert found == [make_in]
    assert [one.refused.partition(" is a ")[2] for one in refused] == ["symbolic link: left alone"]


@pytest.mark.skipif(not may_give(), reason="only root with his capabilities can give files away")
def test_under_sudo_what_buildx_wrote_is_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", "4242")
    monkeypatch.setenv("SUDO_GID", "4243")
    outside = tmp_path / "outside"
    outside.touch()
    cache_directories.ensure(
        Roots(tmp_path / "caches"), directory := tmp_path / "caches/.buildx-cache-tools/key/native"
    )
    for _ in range(2):
        with staged_export.create_exports([directory]) as (one,):
            make(one.place, nested=False)
            (one.place / "link").symlink_to(outside)
            assert one.put()
    made = [tmp_path / "caches", *(tmp_path / "caches").rglob("*")]
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in made} == {(4242, 4243)}
    assert outside.stat().st_uid == 0
