"""The real buildx, asked what it makes of the bake file. No engine is needed, and none is asked."""

import csv
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.conftest import REPO

BAKE_FILE = "infrastructure/docker/docker-bake.json"
Printed = Mapping[str, Mapping[str, Any]]
Bake = Callable[..., Printed]


@pytest.fixture(scope="session")
def buildx() -> None:
    """Fails, and does not skip, where there is no buildx: a contract that nobody holds is none."""
    try:
        done = subprocess.run(("docker", "buildx", "version"), capture_output=True, check=False)
    except FileNotFoundError:
        done = None
    if done is None or done.returncode != 0:
        pytest.fail("docker has no buildx: run ./goldi engine.up first")


@pytest.fixture
def bake(buildx: None) -> Bake:
    """`docker buildx bake --print NAMES` with the given variables, as its targets."""

    def ask(*names: str, **variables: str) -> Printed:
        argv = ("docker", "buildx", "bake", "--file", BAKE_FILE, "--print", *names)
        # An engine that does not answer is enough: the contract is between files.
        env = {**os.environ, "DOCKER_HOST": "unix:///nonexistent/docker.sock", **variables}
        done = subprocess.run(argv, cwd=REPO, env=env, capture_output=True, text=True, encoding="utf-8", check=False)
        assert done.returncode == 0, done.stderr
        targets: Printed = json.loads(done.stdout)["target"]
        return targets

    return ask


def fields(entry: str | Mapping[str, str]) -> dict[str, str]:
    """A cache, secret or attestation: text in older buildx, an object in newer ones."""
    if not isinstance(entry, str):
        return dict(entry)
    return dict(field.split("=", 1) for field in next(csv.reader([entry])))
