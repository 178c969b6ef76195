"""What Podman's socket is refused for, by name, and what works all the same."""

import json
from pathlib import Path

import pytest

from goldi_tasks.engine.distribution import IMAGES
from tests.real.conftest import Project, copy, docker

pytestmark = pytest.mark.real
REFUSED = r"goldi: Podman 5.4.2 answers as the engine, and it has no BuildKit, which all images need. Unset DOCKER_HOST"
BASE = IMAGES["PYTHON_IMAGE"].name


@pytest.fixture
def here(tmp_path: Path) -> Project:
    path = tmp_path / "here"
    path.mkdir()
    copy(path)
    return Project(path, tmp_path / "caches", "goldi-test-podman")


@pytest.mark.parametrize(
    "task", ["build.prod", "build.builder", "build.size", "compose.up", "devcontainer.up", "engine.up", "engine.status"]
)
def test_what_needs_an_engine_of_dockers_is_refused(here: Project, task: str) -> None:
    assert here.goldi(task, code=11).splitlines()[-1].startswith(REFUSED)


def test_so_is_a_check_and_on_the_host_it_runs(here: Project) -> None:
    assert REFUSED in here.goldi("ci.lint", code=1)
    assert "All checks passed" in here.goldi("ci.lint", GOLDI_RUN="host")


def test_the_doctor_says_so(here: Project) -> None:
    assert "Podman 5.4.2 answers as the engine" in here.goldi("cache.doctor", code=21)


def test_caches_need_no_engine(here: Project) -> None:
    here.goldi("cache.setup")
    assert json.loads(here.goldi("cache.status", "--json"))
    here.goldi("cache.clear", "--name", "pip-cache")
    here.goldi("cache.prune")


def test_plain_docker_runs(here: Project) -> None:
    """With Docker's own client, and an image that was made elsewhere."""
    assert docker("run", "--rm", BASE, "echo", "porridge") == "porridge"
    container = docker("run", "--detach", "--init", BASE, "sleep", "100")
    try:
        assert docker("exec", container, "echo", "porridge") == "porridge"
    finally:
        docker("rm", "--force", container)


COMPOSE = f"""\
services:
  one:
    image: {BASE}
    command: [python3, -m, http.server, "--directory", /usr/share/doc, "8000"]
    init: true
"""


def test_plain_compose_brings_a_stack_up(tmp_path: Path) -> None:
    """The same; our tasks look at such a stack, and end it. Health checks run by systemd, which is not there."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "bears"\n')
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    bears = Project(tmp_path, tmp_path / "caches", "bears")
    file = ("compose", "--project-directory", str(tmp_path), "--file", str(tmp_path / "compose.yaml"))
    docker(*file, "up", "--detach")
    assert [row["state"] for row in json.loads(bears.goldi("compose.ps", "--json"))] == ["running"]
    bears.goldi("compose.down")
    assert docker(*file, "ps", "--quiet") == ""
