"""A tools container when its engine is killed, stopped and started again: the next check simply works."""

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from goldi_tasks.engine import EnginePaths
from goldi_tasks.engine.distribution import IMAGES
from tests.real.conftest import REPOSITORY, Project
from tests.real.second_engine import Call, fetch
from tests.real.test_checks import NOX
from tests.real.test_engine import kill_engine

pytestmark = [pytest.mark.real, pytest.mark.by_hand, pytest.mark.skipif(os.getuid() != 0, reason="engines need root")]

DOCKERFILE = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE} AS tools
COPY --chmod=755 online.sh /usr/local/bin/online
"""


@pytest.fixture
def project(tiny: Project) -> Project:
    """A project whose tools image is the base image and one script, which needs no network to be built."""
    folder = tiny.path / "infrastructure/docker"
    (folder / "Dockerfile").write_text(DOCKERFILE)
    bake = folder / "docker-bake.json"
    bake.write_text(bake.read_text().replace('"production"', '"tools"').replace(":${GOLDI_TAG}", ":tools"))
    (tiny.path / "online.sh").write_bytes((REPOSITORY / "infrastructure/docker/scripts/online.sh").read_bytes())
    line = 'container_session("say", "sh", "-c")'
    (tiny.path / "noxfile.py").write_text(f"from goldi_tasks.sessions import container_session\n{line}\n")
    return tiny


@pytest.fixture
def engine(place: EnginePaths, call: Call) -> Iterator[dict[str, Any]]:
    """A second engine with a base image; the environment to use it."""
    fetch(place)
    call("daemon.start(place)")
    base = IMAGES["PYTHON_IMAGE"].name
    env = {"DOCKER_HOST": f"unix://{place.socket}", "PYTHON_IMAGE": base}
    with subprocess.Popen(("docker", "save", base), stdout=subprocess.PIPE) as saved:
        subprocess.run(("docker", "load"), env=os.environ | env, stdin=saved.stdout, check=True)
    yield env
    call("daemon.down(place, purge=False)")


def say(project: Project, line: str, env: dict[str, Any], code: int = 0) -> str:
    return project.run(NOX, "--session", "say", "--", line, code=code, **env)


def test_the_next_check_works_after_a_restart(
    project: Project, place: EnginePaths, call: Call, engine: dict[str, Any]
) -> None:
    assert "one" in say(project, "echo one", engine)
    kill_engine(place)
    assert "two" in say(project, "echo two", engine), "the container outlives its engine"
    call("daemon.start(place)")
    assert "three" in say(project, "echo three", engine)
    call("daemon.down(place, purge=False)")
    said = say(project, "echo four", engine, code=1)
    assert "goldi: no Docker engine answers. Start it, or run `goldi engine.up`." in said
    assert "Traceback" not in said
    call("daemon.start(place)")
    assert "five" in say(project, "echo five", engine)


def test_an_engine_that_is_killed_does_not_end_a_check(
    project: Project, place: EnginePaths, call: Call, engine: dict[str, Any]
) -> None:
    process = project.start(NOX, "--session", "say", "--", "echo begun; sleep 4; echo through", **engine)
    assert process.stdout
    assert any(text == "begun\n" for text in process.stdout)
    kill_engine(place)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "through" in said
    call("daemon.start(place)")
    assert "here" in say(project, "echo here", engine)
