"""What goes wrong around a build, on a real engine: nothing is lost, and one sentence says what to do."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks.engine import EnginePaths
from goldi_tasks.engine.distribution import IMAGES
from tests.real.conftest import GOLDI, Project, docker
from tests.real.second_engine import Call, fetch
from tests.real.test_build import wait_for_step
from tests.real.test_engine import kill_engine

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.getuid() != 0, reason="mounts and engines need root")]


def mounted(project: Project, options: str) -> tuple[str, ...]:
    """What builds with a cache root that is a file system of its own, which nobody else sees."""
    project.cache_root.mkdir()
    mount = f"mount -t tmpfs -o {options} none '{project.cache_root}'"
    return "unshare", "--mount", "sh", "-c", f"{mount} && exec '{GOLDI}' build.prod"


def test_a_cache_root_that_is_read_only(tiny: Project) -> None:
    said = tiny.run(*mounted(tiny, "ro"), code=13)
    place = f"{tiny.cache_root}/.buildx-cache-production"
    assert said.splitlines()[-1].startswith(f"goldi: {place} cannot be made: Read-only file system. ")
    assert "GOLDI_CACHE_ROOT" in said


def test_a_disk_that_is_full_of_caches_costs_no_image(tiny: Project) -> None:
    said = tiny.run(*mounted(tiny, "size=100k"))
    assert "no space left on device" in said
    assert "goldi: the local cache was not exported" in said
    assert docker("image", "inspect", "--format", "{{.Id}}", tiny.image)


def test_an_engine_that_is_killed_in_the_middle(tiny: Project, place: EnginePaths, call: Call) -> None:
    fetch(place)
    call("daemon.start(place)")
    base = IMAGES["PYTHON_IMAGE"].name
    env: dict[str, Any] = {"DOCKER_HOST": f"unix://{place.socket}", "PYTHON_IMAGE": base}
    with subprocess.Popen(("docker", "save", base), stdout=subprocess.PIPE) as saved:
        subprocess.run(("docker", "load"), env=os.environ | env, stdin=saved.stdout, check=True)
    process = wait_for_step(tiny, **env)
    kill_engine(place)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 11, said
    assert said.splitlines()[-1].startswith("goldi: the engine stopped during the build. Start it")
    assert "Traceback" not in said
    call("daemon.start(place)")
    Path(tiny.path, "slow").write_text("0")
    assert f"{tiny.image}:latest" in tiny.goldi("build.prod", **env)
