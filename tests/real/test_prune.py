"""Status and prune on a real engine: what a container has mounted stays, a tool prunes its own cache, the store."""

import fcntl
import json
import os
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from goldi_tasks.client import run_arguments
from goldi_tasks.settings import load
from goldi_tasks.settings.image_names import base_images
from tests.real.conftest import GOLDI, REPOSITORY, Project, builder, docker

pytestmark = pytest.mark.real

ENV_FILE = REPOSITORY / "infrastructure/docker/.env"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    path = tmp_path / "my project"
    path.mkdir()
    (path / "pyproject.toml").write_text('[project]\nname = "x"\n[tool.goldi]\n')
    return Project(path, tmp_path / "cache, ü", f"goldi-test-{uuid.uuid4().hex[:8]}")


def base(name: str) -> str:
    return base_images(load(REPOSITORY), ENV_FILE.read_text() if ENV_FILE.exists() else "")[name]


def told(project: Project, *words: str, **env: str) -> dict[str, object]:
    """What it prints for scripts."""
    done = subprocess.run(
        (GOLDI, *words, "--json"),
        cwd=project.path,
        env={**project.env, **env},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def aged(project: Project, key: str) -> Path:
    folder = project.cache_root / "mypy-cache" / key
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file").write_bytes(b"x" * 100_000)
    for path in (folder / "deep" / "file", folder / "deep", folder):
        os.utime(path, (time.time() - 70 * 86400,) * 2)
    return folder


def test_what_a_running_container_has_mounted_stays(project: Project) -> None:
    project.goldi("cache.setup")
    held, free = aged(project, "held-0123abcd"), aged(project, "free-0123abcd")
    image, name = base("PYTHON_IMAGE"), f"goldi-test-{uuid.uuid4().hex[:8]}"
    mount = run_arguments.bind(held, "/cache/mypy")
    docker("run", "--detach", "--rm", "--name", name, "--network", "none", *mount, image, "sleep", "60")
    try:
        found = told(project, "cache.prune", "--no-builder")
        rows = {row["key"]: row for row in found["rows"] if row["how"] == "remove"}  # type: ignore[attr-defined]
        assert rows["held-0123abcd"]["kept"] == "a running container has it mounted"
        assert rows["free-0123abcd"]["freed"] >= 100_000
        assert (held.exists(), free.exists()) == (True, False)
        docker("exec", name, "test", "-e", "/cache/mypy/deep/file")
    finally:
        docker("kill", name)


def test_a_tool_in_an_image_prunes_its_cache(project: Project) -> None:
    """npm, in the base image: as the caller's user, with nothing but the cache."""
    project.goldi("cache.setup")
    folder = project.cache_root / "npm-cache"
    (folder / "_cacache/tmp").mkdir(parents=True)
    (folder / "_cacache/tmp/left").write_bytes(b"x" * 100_000)
    found = told(project, "cache.prune", "--name", "npm-cache", NODE_IMAGE=base("NODE_IMAGE"))
    assert [(row["what"], row["kept"], row["failed"]) for row in found["rows"]] == [("npm-cache", "", "")]  # type: ignore[attr-defined]
    assert (folder / "_cacache/_lastverified").stat().st_uid == os.getuid()
    assert not (folder / "_cacache/tmp/left").exists()
    assert "goldi-prune-" not in docker("ps", "--all", "--format", "{{.Names}}")


def test_the_builders_store_is_told_and_nothing_in_use_goes(project: Project) -> None:
    store = told(project, "cache.status")["builder"]
    assert store["bytes"] >= store["reclaimable"] >= 0  # type: ignore[index]
    assert {"id", "target", "bytes", "last_use"} == set().union(*store["mounts"]) or not store["mounts"]  # type: ignore[index]
    # Nothing is as old as that, nor as large. A prune in the last moment of another's build would fail that one.
    with builder(fcntl.LOCK_EX):
        row = told(project, "cache.prune", "--age", "36000d", "--size", "900PB")["rows"][0]  # type: ignore[index]
    assert (row["what"], row["freed"], row["failed"]) == ("builder", 0, "")
