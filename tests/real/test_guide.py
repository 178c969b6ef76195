"""The guide's way to make the builder again, in a configuration of buildx's own: the choice is the whole machine's."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks.errors import NoEngine
from tests import guide
from tests.real.conftest import REPOSITORY, Project

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("builder_only")]


def test_the_builder_is_made_again_or_there_is_a_way_back(tiny: Project, tmp_path: Path) -> None:
    """With a registry it starts; without one nobody calls it ready."""
    env: dict[str, Any] = {"BUILDX_CONFIG": str(tmp_path / "buildx")}
    setup = "infrastructure/docker/setup-cache.sh"
    shutil.copy(REPOSITORY / setup, tiny.path / setup)

    def type_in(line: str) -> "subprocess.CompletedProcess[str]":
        whole = {**tiny.env, **env}
        return subprocess.run(line, shell=True, cwd=tiny.path, env=whole, capture_output=True, text=True, check=False)  # noqa: S602

    remove, create = guide.block("docker buildx rm")
    gone = type_in(remove)
    assert gone.returncode == 1, "there is none"
    assert "goldilocks-builder" in gone.stderr
    if type_in(create).returncode == 0:
        assert "Docker is ready: goldilocks-builder keeps" in tiny.run(setup, **env)
        assert "answers" in tiny.goldi("build.builder", "--json", **env)
        assert type_in(remove).returncode == 0
        return
    told = "the builder goldilocks-builder cannot be started: moby/buildkit:buildx-stable-1 cannot be pulled"
    said = tiny.run(setup, **env)
    assert told in said
    assert "ready:" not in said
    assert told in tiny.goldi("build.builder", code=NoEngine.code, **env)
    assert told in tiny.goldi("cache.doctor", code=21, **env)
    assert told in tiny.goldi("build.prod", code=NoEngine.code, **env).splitlines()[-1]
    said = tiny.goldi("build.builder", "--reset", **env)
    assert "builds use the engine's own builder (`docker buildx use default`)" in said
    assert "Docker is ready: the engine keeps the build caches" in tiny.run(setup, **env)
    tiny.goldi("build.prod", **env)
