"""The workflow, the README and its pages are true: every command in them runs, in their order, in a clean clone."""

import fcntl
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import workflows
from tests.real import foreground
from tests.real.conftest import REPOSITORY, builder, docker, remove_images

pytestmark = pytest.mark.real


def commands() -> list[str]:
    """The lines of the `sh` blocks of the README, then of its pages, without their comments, each once."""
    pages = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
    blocks = [block for page in pages for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.M | re.S)]
    return list(dict.fromkeys(shlex.join(shlex.split(line, comments=True)) for line in "".join(blocks).splitlines()))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A clone of what is committed, with a cache root and an image name of its own."""
    path = tmp_path_factory.mktemp("readme") / "clone"
    subprocess.run(("git", "clone", "--quiet", "--no-hardlinks", REPOSITORY, path), check=True)
    image = "goldi-test-readme"
    ports = {"GOLDI_PORT": "18000", "GOLDI_FRONTEND_PORT": "15173", "COMPOSE_PROJECT_NAME": image}
    env = {**os.environ, "GOLDI_CACHE_ROOT": str(path.parent / "caches"), "GOLDI_IMAGE": image}
    env["XDG_STATE_HOME"] = str(path.parent / "state")
    # As in a new shell: not in the environment that runs these tests.
    env["PATH"] = ":".join(part for part in env["PATH"].split(":") if ".venv" not in part)
    env.pop("VIRTUAL_ENV", None)
    # What pip is told to do elsewhere is not for the launcher's environment.
    env |= {"PIP_USER": "1", "PIP_TARGET": str(path.parent / "elsewhere")}
    env |= ports
    # A run that was killed may have left a database, with another password.
    _remove_volumes(image)
    yield path, env
    assert docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={image}") == ""
    _remove_volumes(image)
    remove_images(image, keep=True)


def _remove_volumes(stack: str) -> None:
    volumes = docker("volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={stack}").split()
    if volumes:
        docker("volume", "rm", *volumes)


# What runs this test, or is run by the workflow before.
ELSEWHERE = ("./goldi test", "./goldi ci.check")


@pytest.fixture(scope="module")
def runner(clone: tuple[Path, dict[str, str]]) -> dict[str, str]:
    """What GitHub gives to a step."""
    folder = clone[0].parent
    names = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
    files = {name: str(folder / name) for name in names}
    # `ci.check` runs a session of all pure tests in the tools image: here a few, as the suite has run all of them.
    files["PYTEST_ADDOPTS"] = "-k amounts"
    return {**clone[1], **files, "RUNNER_TEMP": str(folder / "temp"), "CI": "true", "GITHUB_ACTIONS": "true"}


@pytest.mark.parametrize("step", [step for step in workflows.steps() if step.job == "check"], ids=lambda step: step.run)
def test_a_step_of_the_workflow(
    clone: tuple[Path, dict[str, str]], runner: dict[str, str], step: workflows.Step
) -> None:
    Path(runner["RUNNER_TEMP"]).mkdir(exist_ok=True)
    with builder(fcntl.LOCK_SH):
        done = subprocess.run(
            ("bash", "-e", "-c", step.run), cwd=clone[0], env=runner, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_what_the_steps_hand_on(clone: tuple[Path, dict[str, str]], runner: dict[str, str]) -> None:
    given = dict(line.split("=", 1) for line in Path(runner["GITHUB_OUTPUT"]).read_text().splitlines())
    assert [row["session"] for row in json.loads(given["matrix"])["include"]] == ["host", "suite", "example"]
    assert {path.name for path in Path(given["path"]).iterdir()} == {"caches.tar.zst", "caches.tar.zst.key"}
    assert Path(given["path"], "caches.tar.zst.key").read_text().strip() == given["key"]
    summary = Path(runner["GITHUB_STEP_SUMMARY"]).read_text()
    # What no other session of the test command runs.
    for check in ("lint", "typecheck", "tests", "precommit", "build.prod"):
        assert f"| {check} | passed |" in summary
    assert 'failures="0"' in Path(runner["RUNNER_TEMP"], "checks.xml").read_text()


def test_the_other_job_of_the_workflow_runs_the_test_command() -> None:
    """It cannot run here, in itself."""
    others = [step for step in workflows.steps() if step.job != "check"]
    assert [(step.run, step.env) for step in others] == [
        ('./goldi test "$SESSION"', {"SESSION": "${{ matrix.session }}"})
    ]


def test_the_page_has_the_two_commands_first() -> None:
    assert commands()[:2] == ["./goldi engine.up build.prod", "./goldi test"]


@pytest.mark.parametrize("command", [command for command in commands() if command not in ELSEWHERE])
def test_a_command_of_the_page(clone: tuple[Path, dict[str, str]], command: str) -> None:
    path, env = clone
    with builder(fcntl.LOCK_SH):
        if foreground.stays(command):
            done = foreground.run(command, path, env)
        else:
            done = subprocess.run(command, shell=True, cwd=path, env=env, capture_output=True, text=True, check=False)  # noqa: S602
    # What this machine suffers from is not ours to say.
    assert done.returncode in ((0, 21) if "cache.doctor" in command else (0,)), done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_test_command_runs_every_session() -> None:
    """It is what runs this test; here only that it leaves nothing out."""
    listed = subprocess.run(
        (Path(sys.executable).parent / "nox", "--list"), cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    sessions = re.findall(r"^([*-]) (\S+)", listed, re.M)
    assert [name for mark, name in sessions if mark == "*"] == ["host", "suite", "example"]
    assert (REPOSITORY / ".ci/run").read_text().rstrip().endswith("exec ./goldi test")
