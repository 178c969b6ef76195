"""Builds behind a wall: an engine in a network without a way out but servers that want a login and trust."""

import base64
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from goldi_tasks.engine import EnginePaths
from goldi_tasks.engine.distribution import IMAGES
from tests.real.conftest import REPOSITORY, Project, layers
from tests.real.second_engine import Call, fetch
from tests.real.wall import PASSWORD, REGISTRY_PASSWORD, TOKEN, USER, Wall, registry, wall

pytestmark = [
    pytest.mark.real,
    pytest.mark.by_hand,
    pytest.mark.usefixtures("builder_only"),
    pytest.mark.skipif(os.getuid() != 0, reason="a private engine needs root"),
]


@dataclass
class World:
    """An engine behind a wall, and the address of the image registry there."""

    wall: Wall
    call: Call
    registry: str

    @property
    def env(self) -> dict[str, str]:
        """For a user who is not logged in to the registry."""
        made_here = {name: f"{self.registry}/base/{image.title}:1" for name, image in IMAGES.items()}
        engine = {"DOCKER_HOST": f"unix://{self.call.place.socket}", "GOLDI_CA_BUNDLE": str(self.wall.authority)}
        return {**engine, **made_here}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, place: EnginePaths, call: Call) -> Iterator[World]:
    made = Wall(tmp_path_factory.mktemp("wall"))
    fetch(place)
    # The engine trusts whom its environment names.
    call.env["SSL_CERT_FILE"] = str(made.authority)
    call.env["DOCKER_CONFIG"] = str(made.folder / "docker")
    call("daemon.start(place)")
    made.address = call("docker network inspect bridge --format '{{(index .IPAM.Config 0).Gateway}}'").strip()
    with wall(made, call.network), registry(made, call.enter) as address:
        told = World(made, call, address)
        fill(told)
        yield told


def fill(world: World) -> None:
    """Put the base images of this machine's engine into the registry."""
    login = f"echo {REGISTRY_PASSWORD} | timeout 10 docker login --username {USER} --password-stdin {world.registry}"
    for attempt in range(10):
        try:
            world.call(login)
            break
        except AssertionError:
            # It is not up yet.
            assert attempt < 9
            time.sleep(0.5)
    for variable, image in IMAGES.items():
        name = world.env[variable]
        with subprocess.Popen(("docker", "save", image.name), stdout=subprocess.PIPE) as saved:
            subprocess.run(("docker", "load"), env=os.environ | world.env, stdin=saved.stdout, check=True)
        world.call(f"docker tag {image.name} {name} && docker push {name} && docker rmi {name} {image.name}")


@pytest.fixture
def user(world: World, tmp_path: Path) -> dict[str, Any]:
    """Somebody whose files say how the wall is passed; next to nothing of it is in the environment."""
    home, login, address = tmp_path / "home", f"{USER}:{quote(PASSWORD, safe='')}", world.wall.address
    ports = world.wall.ports
    (home / ".config/pip").mkdir(parents=True)
    index = f"https://{login}@{address}:{ports['index']}/simple"
    # pip 25 cannot check the certificate of an address otherwise.
    (home / ".config/pip/pip.conf").write_text(f"[global]\nindex-url = {index}\nuse-deprecated = legacy-certs\n")
    npm = f"//{address}:{ports['npm']}/"
    (home / ".npmrc").write_text(f"registry=https:{npm}\n{npm}:_authToken=${{BEARS_TOKEN}}\n")
    (home / "apt.conf").write_text(f'Acquire::http::Proxy "http://{login}@{address}:{ports["proxy"]}";\n')
    files = {"HOME": str(home), "APT_CONFIG": str(home / "apt.conf"), "PIP_CONFIG_FILE": ""}
    logins = {"BEARS_TOKEN": TOKEN, "DOCKER_CONFIG": world.call.env["DOCKER_CONFIG"]}
    return {**world.env, **files, **logins, "GOLDI_DEBIAN_MIRROR": mirror()}


def mirror() -> str:
    """Where this machine has Debian's packages from, over http: the proxy is asked for these."""
    said = subprocess.run(("apt-get", "update", "--print-uris"), capture_output=True, text=True, check=True).stdout
    found = re.search(r"'https?(://\S+/debian)/dists/", said)
    assert found
    return f"http{found[1]}"


def secrets() -> list[str]:
    pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return [PASSWORD, quote(PASSWORD, safe=""), pair, TOKEN, REGISTRY_PASSWORD]


def kept(project: Project) -> str:
    """What is in the user's state directory."""
    return "".join(file.read_text() for file in (project.cache_root.parent / "state").rglob("*.json"))


def test_all_of_it_comes_through_the_wall_and_no_secret_stays(
    app: Project, world: World, user: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = app.goldi("build.prod", "--progress", "plain", **user)
    wheels = {path.rpartition("/")[2] for path in world.wall.served("index") if path.endswith(".whl")}
    assert {"uv", "fastapi", "uvicorn", "pydantic_core"} <= {name.partition("-")[0] for name in wheels}
    assert any("/vite/" in path for path in world.wall.served("npm"))
    assert any("tini" in path and path.endswith(".deb") for path in world.wall.served("proxy"))

    assert "goldilocks" in kept(app)
    seen = world.call(f"docker history --no-trunc {app.image}; docker inspect {app.image}; docker buildx du --verbose")
    assert not [secret for secret in secrets() if secret in said + kept(app) + seen]
    monkeypatch.setenv("DOCKER_HOST", user["DOCKER_HOST"])
    contents = list(layers(app.image))
    assert any(name.startswith("blobs/") for name, _ in contents)
    assert not [(secret, name) for secret in secrets() for name, content in contents if secret.encode() in content]


STEP = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE} AS production
RUN --mount=type=bind,source=infrastructure/docker/scripts/online.sh,target=/usr/local/bin/online \\
    --mount=type=secret,id=ca_bundle --mount=type=secret,id=build_env \\
    online sh -c 'echo $PIP_INDEX_URL; python3 -m venv /v; /v/bin/pip install --no-input idna'
"""


@pytest.mark.parametrize("progress", ["plain", "quiet", "rawjson"])
def test_a_wrong_password_is_told_and_not_shown(
    tiny: Project, world: World, user: dict[str, Any], progress: str
) -> None:
    scripts = tiny.path / "infrastructure/docker/scripts"
    scripts.mkdir()
    (scripts / "online.sh").write_bytes((REPOSITORY / "infrastructure/docker/scripts/online.sh").read_bytes())
    (scripts / "online.sh").chmod(0o755)
    (tiny.path / "infrastructure/docker/Dockerfile").write_text(STEP)
    file = Path(user["HOME"], ".config/pip/pip.conf")
    file.write_text(file.read_text().replace(USER, "papa-bear"))
    before = len(world.wall.refused)
    said = tiny.goldi("build.prod", "--progress", progress, code=1, **user)
    assert len(world.wall.refused) > before
    outputs = [base64.b64decode(data).decode() for data in re.findall(r'"data": ?"([^"]+)"', said)]
    shown = "".join([said, *outputs])
    assert f"papa-bear:***@{world.wall.address}" in shown
    assert not [secret for secret in secrets() if secret in shown + kept(tiny)]


def test_a_base_image_wants_a_login_and_a_pushed_image_has_its_provenance(
    tiny: Project, world: World, user: dict[str, Any], tmp_path: Path
) -> None:
    stranger = tiny.goldi("build.prod", "--pull", code=22, **{**user, "DOCKER_CONFIG": str(tmp_path / "nobody")})
    assert "no basic auth credentials" in stranger or "401 Unauthorized" in stranger
    tiny.goldi("build.prod", "--pull", **user)
    name = f"{world.registry}/bears/app:1"
    pushed = json.loads(
        tiny.goldi("build.prod", "--push", "--json", "--progress", "quiet", "--set", f"production.tags={name}", **user)
    )
    assert pushed["result"] == "built"
    assert "attestation-manifest" in world.call(f"docker buildx imagetools inspect {name}")
