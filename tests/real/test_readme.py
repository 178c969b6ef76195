"""The README is true: every command in it runs, in the order of the page, in a clean clone."""

import fcntl
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.conftest import REPOSITORY, builder, docker, remove_images

pytestmark = pytest.mark.real


def commands() -> list[str]:
    """The lines of the README's `sh` blocks, without their comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (REPOSITORY / "README.md").read_text(), re.M | re.S)
    return [shlex.join(shlex.split(line, comments=True)) for line in "".join(blocks).splitlines()]


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
    env |= ports
    yield path, env
    assert docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={image}") == ""
    volumes = docker("volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={image}").split()
    docker("volume", "rm", *volumes)
    remove_images(image)


def test_the_page_has_the_two_commands_first() -> None:
    assert commands()[:2] == ["./goldi engine.up build.prod", "./goldi test"]


@pytest.mark.parametrize("command", [command for command in commands() if command != "./goldi test"])
def test_a_command_of_the_page(clone: tuple[Path, dict[str, str]], command: str) -> None:
    path, env = clone
    with builder(fcntl.LOCK_SH):
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
