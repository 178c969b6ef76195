"""A second engine with nothing but the base image begins with what the first one's cache in a registry holds."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks.engine import EnginePaths
from goldi_tasks.engine.distribution import IMAGES
from tests.real.conftest import GOLDI, Project
from tests.real.second_engine import Call, fetch
from tests.real.shop import registry

pytestmark = [pytest.mark.real, pytest.mark.by_hand]


@pytest.mark.skipif(os.getuid() != 0, reason="a private engine needs root")
def test_a_second_machine_runs_nothing(tiny: Project, place: EnginePaths, call: Call, tmp_path: Path) -> None:
    env: dict[str, Any] = {"GOLDI_CACHE_BACKEND": "registry", "GITHUB_REF_NAME": "main", "GITHUB_HEAD_REF": ""}
    with registry(tmp_path / "registry") as address:
        env["GOLDI_REGISTRY"] = address
        assert "3 steps, 0 cached" in tiny.goldi("build.prod", **env)
    fetch(place)
    call("daemon.start(place)")
    call.env |= tiny.env | env | {"GOLDI_CACHE_ROOT": str(tmp_path / "second"), "XDG_STATE_HOME": str(tmp_path / "two")}
    second = os.environ | {"DOCKER_HOST": f"unix://{place.socket}"}
    with subprocess.Popen(("docker", "save", IMAGES["PYTHON_IMAGE"].name), stdout=subprocess.PIPE) as saved:
        subprocess.run(("docker", "load"), env=second, stdin=saved.stdout, check=True)
    # The same address there: a process of its own, over the same directory.
    port = int(address.partition(":")[2])
    with registry(tmp_path / "registry", port=port, enter=call.enter):
        found = json.loads(call(f"cd '{tiny.path}' && '{GOLDI}' build.prod --json --progress quiet"))
        last = json.loads(call(f"cd '{tiny.path}' && '{GOLDI}' build.history --json"))[0]
        assert [
            step["name"] for step in last["steps"] if not step["cached"] and re.search(r"\d] (RUN|COPY) ", step["name"])
        ] == []
        assert (found["result"], found["steps"], found["cached"]) == ("built", 3, 3)
        assert found["read"] == [f"{address}/{tiny.image}-cache:production-{_native()}-main"]
    made = subprocess.run(
        ("docker", "run", "--rm", "--network=none", tiny.image, "cat", f"/{tiny.image}"),
        env=second,
        check=True,
        capture_output=True,
        text=True,
    )
    assert made.stdout == "0"


def _native() -> str:
    version = ("docker", "version", "--format", "linux-{{.Server.Arch}}")
    return subprocess.run(version, check=True, capture_output=True, text=True).stdout.strip()
