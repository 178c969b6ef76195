"""An archive of caches warms an empty second engine in a network without a way out; nothing is left on either."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks.engine import EnginePaths
from goldi_tasks.engine.distribution import IMAGES
from tests.real.conftest import GOLDI, Project, docker, forget
from tests.real.second_engine import Call, fetch

pytestmark = [pytest.mark.real, pytest.mark.by_hand]

# What a mount holds cannot be had again where there is no network; `%s` is a mount that is this test's own.
FILLED = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE} AS production
ARG TARGETARCH
RUN --mount=type=cache,id=%(marker)s-${TARGETARCH},target=/kept,sharing=locked%(owner)s \\
    --mount=type=cache,id=%(marker)s-never,target=/never \\
    mkdir /kept/d && echo %(marker)s > /kept/d/f && chown 7 /kept/d/f && ln -s /kept/d/f /kept/l && ln -s /etc /kept/out
COPY slow /%(marker)s
"""
USED = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE} AS production
ARG TARGETARCH
RUN --mount=type=cache,id=%(marker)s-${TARGETARCH},target=/kept,sharing=locked%(owner)s \\
    test "$(cat /kept/l) $(stat -c %%u /kept/d/f) $(ls -A /kept | wc -l)" = "%(marker)s 7 %(files)s"
"""


OWNED = "settings cache mount permissions"


def mark(project: Project, text: str, owner: str, files: int = 3) -> None:
    file = project.path / "infrastructure/docker/Dockerfile"
    file.write_text(text % {"marker": project.image, "owner": owner, "files": files})


def records(marker: str, **env: Any) -> list[str]:
    """Of what the builder keeps that which throw-away builds, or this test, have made."""
    listed = ("docker", "buildx", "du", "--verbose")
    said = subprocess.run(listed, env={**os.environ, **env}, check=True, capture_output=True, text=True).stdout
    return [one for one in said.split("\n\n") if marker in one]


def mounts(project: Project, **env: Any) -> list[str]:
    return [one for one in records(f'with id "/{project.image}', **env) if "exec.cachemount" in one]


def drop_mounts(project: Project) -> None:
    for record in mounts(project):
        docker("buildx", "prune", "--all", "--force", "--filter", f"id={record.split()[1]}")


# The first one first: of the second engine it asks that nothing is left, and there the other one's records stay.
@pytest.mark.parametrize("owner", ["", ",uid=7,mode=0750"], ids=["plain", "owned"])
@pytest.mark.skipif(os.getuid() != 0, reason="a private engine needs root")
def test_an_archive_warms_an_empty_engine(
    tiny: Project, place: EnginePaths, call: Call, tmp_path: Path, owner: str
) -> None:
    mark(tiny, FILLED, owner)
    tiny.goldi("build.prod")
    archive = tmp_path / "archive"
    process = tiny.start(GOLDI, "cache.save", str(archive), "--json", alone=True)
    told = json.loads(process.communicate(timeout=120)[0])
    assert process.returncode == 0
    found = {(one["kind"], one["name"].rpartition("-")[2]) for one in told["caches"]}
    assert found == {("dir", "production"), ("mount", docker("version", "--format", "{{.Server.Arch}}"))}
    assert told["left_out"] == {"that are links out of their cache": 1}
    if not records(OWNED):
        assert records("goldi-mounts-") == [one for one in mounts(tiny) if "goldi-mounts-" in one] == []

    if not place.prefix.exists():
        fetch(place)
        call("daemon.start(place)")
    python = IMAGES["PYTHON_IMAGE"].name
    second: dict[str, Any] = {"DOCKER_HOST": f"unix://{place.socket}", "GOLDI_CACHE_ROOT": str(tmp_path / "second")}
    second |= {"XDG_STATE_HOME": str(tmp_path / "state2")}
    with subprocess.Popen(("docker", "save", python), stdout=subprocess.PIPE) as saved:
        subprocess.run(("docker", "load"), env=os.environ | second, stdin=saved.stdout, check=True)
    said = tiny.goldi("cache.restore", str(archive), **second)
    assert f"mount {tiny.image}-" in said
    # A RUN with cache mounts has another key in a newer BuildKit, of 28.5.2 for one.
    version = ("docker", "version", "--format", "{{.Server.Version}}")
    if docker(*version[1:]) == tiny.run(*version, **second).strip():
        assert re.search(r"\b(\d+) steps, \1 cached", tiny.goldi("build.prod", **second))
    mark(tiny, USED, owner, files=2)
    tiny.goldi("build.prod", **second)
    assert len(mounts(tiny, **second)) == 1
    assert not list((tmp_path / "second").rglob(".goldi-*"))
    if not owner:
        left = [one for one in records("goldi-mounts", **second) if "exec.cachemount" not in one]
        assert left == []
    # Nor has the first engine lost what was saved, the link out of it too.
    mark(tiny, USED, owner)
    tiny.goldi("build.prod")
    forget(tiny)
    drop_mounts(tiny)
