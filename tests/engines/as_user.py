"""What an ordinary user does all day on a rootless engine: no file in the project or a cache is a stranger's then."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks.client import system_info
from tests.real.conftest import GOLDI, Project, copy, docker, remove_images

pytestmark = pytest.mark.real
IMAGE = "goldi-test-rootless"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A copy of this repository in a git repository of the user."""
    path = tmp_path_factory.mktemp("rootless") / "here"
    path.mkdir()
    copy(path)
    for words in (("init", "-q"), ("add", "-A"), ("-c", "user.name=B", "-c", "user.email=b@b", "commit", "-qm", "all")):
        subprocess.run(("git", *words), cwd=path, check=True)
    project = Project(path, path.parent / "caches", IMAGE)
    yield project
    project.goldi("ci.tools", "--stop")
    remove_images(IMAGE)


PORTS: dict[str, Any] = {"GOLDI_PORT": "18100", "GOLDI_FRONTEND_PORT": "15273", "COMPOSE_PROJECT_NAME": IMAGE}


def strangers(project: Project) -> list[Path]:
    """What below the project's directories is not the caller's."""
    return [path for path in project.path.parent.rglob("*") if path.lstat().st_uid != os.getuid()]


def test_the_engine_is_one() -> None:
    assert os.getuid() != 0
    assert system_info.map_owner((os.getuid(), os.getgid())) == (0, 0)


def test_the_app_is_built(here: Project) -> None:
    here.goldi("build.prod", "--keep-cache")
    assert docker("run", "--rm", "--entrypoint", "id", f"{IMAGE}:latest", "-u") != "0"
    said = json.loads(here.goldi("cache.status", "--json"))
    assert said
    assert strangers(here) == []


def test_checks_write_as_the_caller(here: Project) -> None:
    for _ in range(2):
        here.goldi("ci.lint")
    here.run(str(Path(GOLDI).parent / "nox"), "--session", "tests", "--", "tests/test_amounts.py")
    assert strangers(here) == []


def test_a_shell_writes_as_the_caller(here: Project) -> None:
    here.goldi("build.shell", "--command", "sh -c 'touch made && pip download --quiet --no-deps six --dest wheels'")
    assert (here.path / "made").stat().st_uid == os.getuid()
    assert strangers(here) == []


@pytest.mark.parametrize("profile", ["prod", "dev"])
def test_the_stack_comes_up_healthy(here: Project, profile: str) -> None:
    secrets = here.path / "infrastructure/docker/secrets"
    secrets.mkdir(mode=0o700, exist_ok=True)
    (secrets / "database-password").write_text("porridge")
    try:
        here.goldi("compose.up", "--profile", profile, **PORTS)
        said = json.loads(here.goldi("compose.health", "--json", **PORTS))
        assert said
        assert all(row["up"] for row in said)
    finally:
        here.goldi("compose.down", "--volumes", "--yes", **PORTS)
    assert strangers(here) == []


def test_what_a_containers_user_left_is_cleared(here: Project) -> None:
    """As `docker run --user 1000` would: nobody's on this machine, and not for the caller to remove."""
    folder = here.cache_root / "pip-cache"
    mount = f"type=bind,source={folder},target=/cache"
    line = "mkdir /cache/theirs && touch /cache/theirs/one && chown -R 1000 /cache/theirs && chmod 700 /cache/theirs"
    docker("run", "--rm", "--user", "0", "--mount", mount, "--entrypoint", "sh", f"{IMAGE}:tools", "-c", line)
    assert strangers(here) == [folder / "theirs"]
    here.goldi("cache.clear", "--name", "pip-cache")
    assert strangers(here) == []


def test_a_dev_container_is_the_callers(here: Project) -> None:
    if not shutil.which("npm"):
        pytest.skip("the dev container CLI comes from npm")
    try:
        here.goldi("devcontainer.up")
        here.goldi("devcontainer.exec", "--", "touch", "from-within")
        assert (here.path / "from-within").stat().st_uid == os.getuid()
        assert strangers(here) == []
    finally:
        here.goldi("devcontainer.down")
