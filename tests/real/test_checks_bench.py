"""The benchmark of checks on a real engine: it measures, leaves the project as it is, and cleans up."""

import json
import signal
from pathlib import Path

import pytest

from goldi_tasks.checks.check_benchmark import check_rounds
from goldi_tasks.paths import project_key
from tests.real.conftest import GOLDI, Project, docker

pytestmark = [pytest.mark.real, pytest.mark.by_hand]


def tree(project: Project) -> dict[str, tuple[int, bytes]]:
    """Everything in the project, directories too."""
    return {
        str(path): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in project.path.rglob("*")
    }


def traces(project: Project) -> list[str]:
    """Containers of the project, and what compose has made for benchmarks."""
    containers = docker("ps", "--all", "--quiet", "--filter", f"label=goldi.project={project_key(project.path)}")
    label = 'label={{.Label "com.docker.compose.project"}}'
    composed = docker("ps", "--all", "--format", label), docker("network", "ls", "--format", label)
    return [*containers.split(), *(line for line in "\n".join(composed).splitlines() if "=goldi-bench-" in line)]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where the benchmark has its directory."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_a_round_measures_and_leaves_nothing(app: Project, scratch: Path) -> None:
    before = tree(app)
    text = app.goldi("ci.bench", "--rounds", "1", "--json", TMPDIR=str(scratch))
    told = json.loads(text[text.index("\n{") :])
    always = {"lint, first", *(f"{what}, {where}" for what in ("lint", "typecheck") for where in ("host", "container"))}
    assert (
        always
        <= told["seconds"].keys()
        <= {name for limit in check_rounds.LIMITS for name in (limit.ours, limit.other)}
    )
    assert all(seconds > 0 for seconds in told["seconds"].values())
    assert all(row["measured"] > -1 for row in told["limits"])
    assert tree(app) == before
    assert list(scratch.iterdir()) == []
    assert traces(app) == []


def test_ctrl_c_leaves_nothing(app: Project, scratch: Path) -> None:
    before = tree(app)
    process = app.start(GOLDI, "ci.bench", "--rounds", "1", TMPDIR=str(scratch))
    assert process.stdout
    for line in process.stdout:
        if "an environment on the host" in line:
            break
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.endswith("goldi: interrupted.\n")
    assert tree(app) == before
    assert list(scratch.iterdir()) == []
    assert traces(app) == []
