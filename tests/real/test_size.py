"""What images cost on a real engine: how they are kept, what a change adds, and what `build.size` says of it."""

import json
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.real.conftest import BACKEND, Project, docker
from tests.real.test_build import get, served
from tests.real.wall import REGISTRY_PASSWORD, USER, Wall, registry

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("builder_only")]
ZSTD, GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"


def image_id(project: Project) -> str:
    return docker("image", "inspect", "--format", "{{.Id}}", project.image)


def diff_ids(project: Project) -> list[str]:
    """The image's layers by their content."""
    found: list[str] = json.loads(docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", project.image))
    return found


@contextmanager
def pushed(project: Project, folder: Path) -> Iterator[Path]:
    """Push the project's image to a registry on 127.0.0.1, of which an engine wants no trust; gives its directory."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with registry(Wall(folder, "127.0.0.1"), port=port) as address:
        name = f"{address}/{project.image}"
        env: dict[str, Any] = {"DOCKER_CONFIG": str(folder / "docker")}
        login = ("docker", "login", "--username", USER, "--password-stdin", address)
        for _ in range(50):
            done = subprocess.run(login, env=project.env | env, input=REGISTRY_PASSWORD, text=True, check=False)
            if done.returncode == 0:
                break
            time.sleep(0.2)
        try:
            project.goldi("build.prod", "--push", GOLDI_IMAGE=name, **env)
            yield folder / "registry/data"
        finally:
            docker("image", "rm", "--force", name)


def size(project: Project) -> Any:
    return json.loads(project.goldi("build.size", "--json"))


def stored(project: Project) -> dict[str, bytes]:
    """The first bytes of every blob that the engine keeps of the image."""
    found = {}
    with subprocess.Popen(("docker", "save", project.image), stdout=subprocess.PIPE) as saved:
        with tarfile.open(fileobj=saved.stdout, mode="r|") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                found[member.name] = file.read(4) if file else b""
        assert saved.wait() == 0
    return found


def state(project: Project) -> dict[str, tuple[int, int]]:
    """Everything in the cache root, with its size and its time."""
    files = [path for path in project.cache_root.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def names(image: str) -> list[str]:
    return docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", image).split()


def made_by(project: Project, before: list[str], *, same: bool) -> list[str]:
    """The instructions of the layers that are, or are not, the same as `before`."""
    pairs = zip(size(project)["layers"], before, diff_ids(project), strict=True)
    return [layer["made_by"] for layer, old, new in pairs if (old == new) is same]


@pytest.mark.by_hand
def test_a_change_of_the_code_adds_a_small_layer_and_nothing_else(app: Project) -> None:
    app.goldi("build.prod")
    before = diff_ids(app)
    file = app.path / "goldilocks/app.py"
    file.write_text(f"{file.read_text()}\n# changed {time.time_ns()}\n")
    app.goldi("build.prod")
    assert made_by(app, before, same=False) == ["COPY /app /app"]
    (layer,) = (layer for layer in size(app)["layers"] if layer["made_by"] == "COPY /app /app")
    assert layer["bytes"] < 200_000


@pytest.mark.by_hand
def test_a_change_of_the_front_end_adds_a_small_layer_and_nothing_else(app: Project) -> None:
    app.goldi("build.prod")
    before = diff_ids(app)
    file = app.path / "frontend/index.html"
    file.write_text(file.read_text().replace("<title>", f"<title>{time.time_ns()} "))
    app.goldi("build.prod")
    assert made_by(app, before, same=False) == ["COPY /dist /app/frontend/dist"]


@pytest.mark.by_hand
def test_the_same_lock_makes_the_same_layer_whenever_it_is_built(app: Project) -> None:
    app.goldi("build.prod")
    before = diff_ids(app)
    stages = [
        word for stage in ("builder", "user", "runtime") for word in ("--set", f"production.no-cache-filter={stage}")
    ]
    app.goldi("build.prod", *stages)
    same = made_by(app, before, same=True)
    assert {"COPY /venv /venv", "COPY /tini /tini"} <= set(same)
    assert "nologin" in same[1], "the user's entry"


def test_only_what_was_asked_for_is_exported_and_by_a_no_op_nothing(
    app: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BACKEND, "local")
    app.goldi("build.prod")
    assert names(app.image) == [f"{app.image}:latest"]
    assert [path.name for path in app.cache_root.iterdir()] == [".buildx-cache-production"]
    before = state(app)
    assert "nothing changed" in app.goldi("build.prod")
    assert state(app) == before
    said = app.goldi("build.prod", "--force", "--progress", "plain")
    assert " 0 cached" not in said
    after = state(app)
    assert after.keys() == before.keys(), "no blob is new"
    assert {path for path in after if after[path] != before[path]} <= {path for path in after if "blobs" not in path}
    assert names(app.image) == [f"{app.image}:latest"]


@pytest.mark.by_hand
def test_what_stays_here_is_zstd_and_what_is_pushed_is_gzip(
    tiny: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BACKEND, "local")
    tiny.goldi("build.prod")
    first = image_id(tiny)
    assert list(stored(tiny).values()).count(ZSTD) == 3
    # The base image's layer, which is large, is packed as whoever pushed one on it last has packed it.
    ours = [path for path in tiny.cache_root.rglob("blobs/sha256/*") if path.stat().st_size < 1_000_000]
    kinds = [path.read_bytes()[:4] for path in ours]
    assert kinds.count(ZSTD) == 3
    assert GZIP not in {kind[:2] for kind in kinds}
    with pushed(tiny, tmp_path) as data:
        blobs = [path.read_bytes()[:2] for path in data.rglob("blobs/sha256/*/*/data")]
        assert {blob for blob in blobs if blob[:1] != b"{"} == {GZIP}
    # What was pushed is no harm to what stays.
    tiny.goldi("build.prod", "--force")
    assert image_id(tiny) == first
    assert docker("run", "--rm", tiny.image, "cat", f"/{tiny.image}") == "0"


@pytest.mark.by_hand
def test_an_image_that_was_pushed_first_is_built_and_runs(tiny: Project, tmp_path: Path) -> None:
    with pushed(tiny, tmp_path):
        pass
    assert f"{tiny.image}:latest" in tiny.goldi("build.prod")
    assert docker("run", "--rm", tiny.image, "cat", f"/{tiny.image}") == "0"
    assert size(tiny)["layers"][-1]["made_by"].startswith("RUN cat")


def test_size_says_what_is_in_an_image(app: Project) -> None:
    said = app.goldi("build.size", code=5)
    assert said == f"goldi: there is no image {app.image}:latest here. Build it with `goldi build.prod`.\n"
    app.goldi("build.prod")
    found = size(app)
    environment = next(layer for layer in found["layers"] if layer["made_by"] == "COPY /venv /venv")
    assert next(iter(environment["contents"])) == "sqlalchemy"
    assert found["bytes"] == sum(layer["bytes"] for layer in found["layers"])
    assert found["stored"] == sum(layer["stored"] for layer in found["layers"])
    # docker images rounds to three digits.
    listed = docker("image", "ls", "--format", "{{.Size}}", app.image)
    assert f"docker images says {listed}" in app.goldi("build.size", "--top", "1")
    if found["store"] == "containerd":
        assert float(listed.removesuffix("MB")) * 1e6 == pytest.approx(found["stored"] + found["disk"], rel=0.01)
    spare = {row["name"] for row in found["spare"]}
    assert spare <= {"bytecode", "bundled wheels", "documentation", "installers", "compilers"}
    with served(app.image) as (_, address):
        assert json.loads(get(f"{address}/health")) == {"status": "ok"}
