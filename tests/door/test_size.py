"""`goldi build.size`: what it asks docker, and what it says of the answer."""

import json

import pytest

from tests.door.conftest import Stage, one_sentence
from tests.recording import CLASSIC
from tests.test_build_archive import history, packed, saved

pytestmark = pytest.mark.door

IMAGE = "three-bears:1.2"
PRINTED = {"target": {"production": {"tags": [IMAGE]}}}
FILES = {"venv/lib/python3.13/site-packages/bears/a.py": b"x" * 400_000, "root/.npm/x": b"x" * 100_000}


@pytest.fixture
def built(stage: Stage) -> Stage:
    """An image of two layers in an engine."""
    archive = saved({"blobs/1": packed(FILES), "blobs/2": packed({"app/b": b"x"})}, history("COPY /venv", "COPY /app"))
    stage.docker.answer("buildx print", stdout=json.dumps(PRINTED))
    stage.docker.answer("image ls", stdout="1.2MB\n")
    stage.docker.answer("history", stdout="0\n4096\n500000\n")
    stage.docker.answer("save", stdout=archive.getvalue().decode("ascii"))
    return stage


def test_the_table(built: Stage) -> None:
    done = built.goldi("build.size")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["MB", "stored", IMAGE]
    assert lines[1:3] == [["0.5", "0.5", "COPY", "/venv"], ["bears", "0.4,", "/root/.npm", "0.1"]]
    assert "docker images says 1.2MB: the stored layers and the unpacked ones, 0.5 + 0.5 MB" in done.stdout
    assert lines[-1][:2] == ["0.1", "downloads:"]
    assert built.docker.only("save")["argv"] == ["save", IMAGE]


def test_the_table_on_the_classic_store(built: Stage) -> None:
    built.docker.answer("info", stdout=json.dumps(CLASSIC))
    assert "docker images says 1.2MB: the unpacked layers, 0.5 MB" in built.goldi("build.size").stdout


def test_for_scripts(built: Stage) -> None:
    found = json.loads(built.goldi("build.size", "--json", "--top", "1").stdout)
    assert found["image"] == IMAGE
    assert [layer["made_by"] for layer in found["layers"]] == ["COPY /venv", "COPY /app"]
    assert found["layers"][0]["contents"] == {"bears": 400_000}
    assert found["disk"] == 504_096
    assert [(row["name"], row["bytes"]) for row in found["spare"]] == [("downloads", 100_000)]


@pytest.mark.parametrize(("target", "task"), [("production", "build.prod"), ("tools", "build.target tools")])
def test_an_image_that_is_not_built(stage: Stage, target: str, task: str) -> None:
    stage.docker.answer("buildx print", stdout=json.dumps({"target": {target: {"tags": [IMAGE]}}}))
    done = stage.goldi("build.size", "--target", target)
    assert done.returncode == 5
    assert one_sentence(done) == f"goldi: there is no image {IMAGE} here. Build it with `goldi {task}`."


def test_a_target_that_is_not_there_and_a_group(stage: Stage) -> None:
    done = stage.goldi("build.size", "--target", "prodaction")
    assert (done.returncode, "Did you mean 'production'?" in one_sentence(done)) == (5, True)
    both = {"target": {"tools": {"tags": ["a"]}, "devcontainer": {"tags": ["b"]}}}
    stage.docker.answer("buildx print", stdout=json.dumps(both))
    done = stage.goldi("build.size", "--target", "development")
    assert (done.returncode, "build.list" in one_sentence(done)) == (5, True)


@pytest.mark.parametrize("answer", ["", "no archive", "\0" * 2000])
def test_an_archive_that_cannot_be_read(built: Stage, answer: str) -> None:
    built.docker.answer("save", stdout=answer)
    done = built.goldi("build.size")
    assert done.returncode == 1
    assert "cannot be read" in one_sentence(done)


def test_a_save_that_fails(built: Stage) -> None:
    built.docker.answer("save", stdout=saved({"blobs/1": packed({"a": b"x"})}, {}).getvalue().decode(), code=3)
    done = built.goldi("build.size")
    assert (done.returncode, one_sentence(done)) == (3, "goldi: docker save ended with exit code 3.")
