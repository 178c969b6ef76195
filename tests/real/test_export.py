"""The local cache's export on the real engine: bounded, whole or not at all, also with others at work."""

import json
import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from goldi_tasks.cache import oci_layout, repair
from tests.real.conftest import GOLDI, Project, docker, forget

pytestmark = pytest.mark.real


def cache(project: Project) -> Path:
    (found,) = (project.cache_root / ".buildx-cache-production").glob("*/*")
    return found


def names(directory: Path) -> set[str]:
    return {path.name for path in oci_layout.blobs(directory).iterdir()}


def ours(directory: Path) -> int:
    """Bytes of the blobs but for the base image's, which other tests have packed in other ways meanwhile."""
    sizes = [path.stat().st_size for path in oci_layout.blobs(directory).iterdir()]
    return sum(size for size in sizes if size < 1_000_000)


def edit(project: Project, what: object) -> None:
    (project.path / "slow").write_text(f"0\n#{what}")


@pytest.fixture
def fast(tiny: Project) -> Project:
    """Builds whose last step differs with the source and takes no time."""
    file = tiny.path / "infrastructure/docker/Dockerfile"
    head = file.read_text().partition("RUN cat")[0]
    file.write_text(f"{head}RUN cat /{tiny.image} > /told && head -c 200000 /dev/urandom > /random\n")
    return tiny


def test_after_any_number_of_builds_there_is_what_the_last_export_refers_to(fast: Project) -> None:
    for number in range(4):
        edit(fast, number)
        fast.goldi("build.prod", "--keep-cache")
        found = cache(fast)
        assert set(oci_layout.read_referenced_sizes(found)) == names(found)
        assert [path.name for path in found.parent.iterdir()] == ["native"], "nothing is left beside it"
        assert not (found / "ingest").exists()
    before = ours(found)
    shutil.rmtree(found)
    fast.goldi("build.prod", "--keep-cache")
    assert before <= 1.1 * ours(found)
    assert fast.goldi("cache.verify").startswith("good: ")


def test_what_did_not_change_is_not_written_again(fast: Project) -> None:
    fast.goldi("build.prod", "--keep-cache")
    before = {blob.name: blob.stat().st_ino for blob in oci_layout.blobs(cache(fast)).iterdir()}
    edit(fast, "other")
    fast.goldi("build.prod", "--keep-cache")
    after = {blob.name: blob.stat().st_ino for blob in oci_layout.blobs(cache(fast)).iterdir()}
    same = before.keys() & after.keys()
    assert len(same) > 1
    assert {name: before[name] for name in same} == {name: after[name] for name in same}


def test_builds_of_one_target_at_once_all_succeed_and_one_result_wins(fast: Project) -> None:
    fast.goldi("build.prod", "--keep-cache")
    running = [fast.start(GOLDI, "build.prod", "--keep-cache", "--set", f"*.args.N={n}") for n in range(4)]
    for process in running:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        assert "not exported" not in said
    found = cache(fast)
    assert set(oci_layout.read_referenced_sizes(found)) == names(found)
    assert not repair.verify(found).bad
    assert [path.name for path in found.parent.iterdir()] == ["native"]


@pytest.mark.parametrize("whom", [signal.SIGKILL, signal.SIGINT])
def test_an_export_that_is_cut_off_leaves_the_cache_of_before(fast: Project, whom: signal.Signals) -> None:
    fast.goldi("build.prod", "--keep-cache")
    found = cache(fast)
    index, before = (found / "index.json").read_bytes(), names(found)
    edit(fast, "other")
    process = fast.start(GOLDI, "build.prod", "--keep-cache")
    end = time.monotonic() + 60
    while not list(found.parent.glob(".goldi-new-*")):
        assert process.poll() is None or time.monotonic() < end
        time.sleep(0.005)
    if whom == signal.SIGINT:
        process.send_signal(whom)
        assert process.wait(30) == 130
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, whom)
        process.wait(10)
    process.communicate()
    assert ((found / "index.json").read_bytes(), names(found)) == (index, before)
    if whom == signal.SIGINT:
        assert [path.name for path in found.parent.iterdir()] == ["native"]
    edit(fast, "a third")
    said = fast.goldi("build.prod", "--keep-cache")
    assert "not exported" not in said
    assert [path.name for path in found.parent.iterdir()] == ["native"]
    assert not repair.verify(found).bad


def test_a_swept_cache_brings_back_all_of_it(fast: Project) -> None:
    for number in range(3):
        edit(fast, number)
        fast.goldi("build.prod", "--keep-cache")
    docker("image", "rm", "--force", fast.image)
    forget(fast)
    said = fast.goldi("build.prod", "--progress", "plain")
    assert said.count("CACHED") >= 3, said


def test_what_plain_bake_left_is_swept_when_it_is_old(fast: Project) -> None:
    fast.goldi("build.prod", "--keep-cache")
    found = cache(fast)
    orphan = oci_layout.blobs(found) / ("0" * 64)
    orphan.write_bytes(b"x")
    fast.goldi("build.prod", "--force")
    assert orphan.exists(), "plain bake may be at it"
    os.utime(orphan, (0, 0))
    fast.goldi("build.prod", "--force")
    assert not orphan.exists()
    assert json.loads((found / "index.json").read_bytes())["manifests"]
