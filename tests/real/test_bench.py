"""The benchmark on a real engine: it measures, leaves the project as it is, and cleans up."""

import json
import re
import signal
import time

import pytest

from tests.real.conftest import GOLDI, Project, docker

pytestmark = [pytest.mark.real, pytest.mark.by_hand]

DOCKERFILE = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE} AS base
RUN --mount=type=cache,target=/kept touch /kept/x && echo %(marker)s
FROM base AS tools
COPY slow /slow
FROM base AS production
COPY . /%(marker)s
RUN sleep $(cat /%(marker)s/slow)
"""


@pytest.fixture
def project(tiny: Project) -> Project:
    """A tiny project with a module and with tools."""
    folder = tiny.path / "infrastructure/docker"
    (folder / "Dockerfile").write_text(DOCKERFILE % {"marker": tiny.image})
    bake = json.loads((folder / "docker-bake.json").read_text())
    bake["target"]["tools"] = {"inherits": ["_common"], "target": "tools", "tags": ["${GOLDI_IMAGE}:tools"]}
    (folder / "docker-bake.json").write_text(json.dumps(bake))
    (tiny.path / "module.py").write_text("A = 1\n")
    return tiny


def tree(project: Project) -> dict[str, tuple[int, int, bytes]]:
    files = (path for path in project.path.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def traces(project: Project) -> list[str]:
    """Images of benchmarks, and what the builder remembers of them."""
    images = docker("image", "ls", "--quiet", "goldi-bench").split()
    return images + re.findall(rf"Description:.*{project.image}.*", docker("buildx", "du", "--verbose"))


def test_a_round_measures_and_leaves_nothing(project: Project) -> None:
    before = tree(project)
    text = project.goldi("build.bench", "--rounds", "1", "--json", alone=True)
    told = json.loads(text[text.index("\n{") :])
    assert told["seconds"].keys() == {
        "first build",
        "nothing changed",
        "nothing changed, plain bake",
        "only code changed",
        "only code changed, plain bake without export",
    }
    assert all(seconds > 0 for seconds in told["seconds"].values())
    assert told["listing"]["ours"] > 0
    assert tree(project) == before
    assert traces(project) == []


def test_ctrl_c_leaves_nothing(project: Project) -> None:
    before = tree(project)
    (project.path / "slow").write_text("60\n")
    before = tree(project)
    process = project.start(GOLDI, "build.bench", "--rounds", "1", alone=True)
    assert process.stdout
    for line in process.stdout:
        if "first build" in line:
            break
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.endswith("goldi: interrupted.\n")
    assert "cleaning up" in said
    assert tree(project) == before
    assert traces(project) == []
