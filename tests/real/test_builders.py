"""Builders beyond this machine: an engine reached by TLS, and a BuildKit, with buildx's driver remote."""

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks.engine import EnginePaths
from goldi_tasks.errors import NoEngine
from tests.real import far
from tests.real.conftest import GOLDI, Project, docker
from tests.real.second_engine import Call, fetch

pytestmark = [
    pytest.mark.real,
    pytest.mark.by_hand,
    pytest.mark.skipif(os.getuid() != 0, reason="a private engine needs root"),
]

START = """
from goldi_tasks.engine import distribution
plain = distribution.daemon_config
keys = {name: f"%(keys)s/{file}" for name, file in
        (("tlscacert", "ca.pem"), ("tlscert", "server.pem"), ("tlskey", "server.key"))}
distribution.daemon_config = lambda *given: (
    (config := plain(*given)) | keys | {"tlsverify": True, "hosts": [*config["hosts"], "tcp://127.0.0.1:2376"]})
daemon.start(place)
"""
DOCKERFILE = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE} AS production
RUN --mount=type=secret,id=build_env grep -q secret-index.invalid /run/secrets/build_env
RUN head -c 300000 /dev/urandom > /random
COPY slow /slow
RUN grep . /slow
"""


@dataclass
class World:
    """An engine in a network of its own, its address from here, and the keys that open it."""

    call: Call
    port: int
    keys: Path
    others: Path

    @property
    def endpoint(self) -> dict[str, str]:
        """Docker's own variables for it."""
        keys = str(self.keys / "client")
        return {"DOCKER_HOST": f"tcp://127.0.0.1:{self.port}", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": keys}

    @property
    def env(self) -> dict[str, Any]:
        """The settings that have builds done there, and a login that is a secret."""
        return builder("docker", self.port, self.keys / "client")

    def docker(self, *arguments: str) -> str:
        env = {**os.environ, **self.endpoint}
        return subprocess.run(
            ("docker", *arguments), env=env, check=True, capture_output=True, text=True
        ).stdout.strip()


def builder(driver: str, port: int, certificates: Path) -> dict[str, Any]:
    chosen = {"DRIVER": driver, "ENDPOINT": f"tcp://127.0.0.1:{port}", "CERTIFICATES": str(certificates)}
    secret = {"PIP_INDEX_URL": "http://me:hidden-word@secret-index.invalid/simple"}
    return {f"GOLDI_BUILDER_{name}": value for name, value in chosen.items()} | secret


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, place: EnginePaths, call: Call) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("keys")
    keys, others = far.keys(folder / "ours"), far.keys(folder / "theirs")
    fetch(place)
    call(START % {"keys": keys})
    with far.relay(far.in_network(call.network, 2376)) as port:
        yield World(call, port, keys, others)


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """A base image of the shell and two programs of this machine, which is on its engine alone."""
    name = f"localhost/goldi-test-{uuid.uuid4().hex[:8]}:1"
    programs = [str(Path(shutil.which(program) or "").resolve()) for program in ("sh", "grep", "head")]
    linked = subprocess.run(("ldd", *programs), check=True, capture_output=True, text=True).stdout
    with subprocess.Popen(
        ("docker", "import", "-", name), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as imported:
        assert imported.stdin
        with tarfile.open(fileobj=imported.stdin, mode="w|", dereference=True) as tar:
            for program, short in zip(programs, ("sh", "grep", "head"), strict=True):
                tar.add(program, f"bin/{short}")
            for library in sorted(set(re.findall(r"(/\S+) \(0x", linked))):
                tar.add(library)
    yield name
    docker("image", "rm", "--force", name)


@pytest.fixture
def project(tiny: Project, base: str) -> Project:
    (tiny.path / "infrastructure/docker/Dockerfile").write_text(DOCKERFILE)
    (tiny.path / "infrastructure/docker/.env").write_text(f"PYTHON_IMAGE={base}\n")
    return tiny


def as_json(project: Project, *arguments: str, **env: Any) -> Any:
    """What a task prints for scripts; what it says beside that is for people."""
    return json.loads(project.run("sh", "-c", shlex.join((GOLDI, *arguments, "--json")) + " 2>/dev/null", **env))


def test_an_engine_by_tls(world: World, project: Project, base: str) -> None:
    image, env = f"{project.image}:latest", world.env
    said = project.goldi("build.prod", code=NoEngine.code, **env)
    assert f"does not have {base}, which was built on this machine. Set PYTHON_IMAGE" in said
    with subprocess.Popen(("docker", "save", base), stdout=subprocess.PIPE) as saved:
        subprocess.run(("docker", "load"), env={**os.environ, **world.endpoint}, stdin=saved.stdout, check=True)

    # Built there, its secret read, its cache written here; nothing of it on this machine's engine.
    said = project.goldi("build.prod", **env)
    assert "hidden-word" not in said
    made = world.docker("image", "inspect", "--format", "{{.Id}}", image)
    assert not docker("image", "ls", "--quiet", image)
    (cache,) = (project.cache_root / ".buildx-cache-production").glob("*/native/index.json")
    assert "up to date" in project.goldi("build.prod", **env)
    assert image in project.goldi("build.size", **env)

    # From this machine's cache, when that engine has lost its own: random bytes come again only from there.
    world.docker("image", "rm", "--force", image)
    world.docker("builder", "prune", "--all", "--force")
    told = as_json(project, "build.prod", **env)
    assert told["result"] == "built"
    assert told["cached"] == 4, told
    assert world.docker("image", "inspect", "--format", "{{.Id}}", image) == made

    told = as_json(project, "build.builder", **env)
    assert told["answers"]
    assert told["exports_local"]
    # The status and the doctor are about this machine, and its engine.
    [row] = [row for row in as_json(project, "cache.status", **env)["caches"] if row["name"] == cache.parents[2].name]
    assert row["bytes"] > 300000
    said = project.run("sh", "-c", f"{shlex.quote(GOLDI)} cache.doctor || true", **env)
    assert "builder-elsewhere: the builder of the settings is docker tcp://" in said
    assert "engine-missing" not in said


def test_a_buildkit_by_tls(world: World, project: Project, base: str, tmp_path: Path) -> None:
    """The driver remote; the BuildKit is the engine's own, on a port of its own, with no engine to speak of."""
    image = f"{project.image}:latest"
    with far.relay(far.buildkit(world.call.place.socket), far.server(world.keys)) as port:
        env = builder("remote", port, world.keys / "client")
        # An image of this machine goes there as a context.
        layout = tmp_path / "layout"
        saved = subprocess.run(("docker", "save", base), check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(saved)) as tar:
            tar.extractall(layout, filter="data")
        [manifest] = json.loads((layout / "index.json").read_text())["manifests"]
        file = project.path / "infrastructure/docker/docker-bake.json"
        bake = json.loads(file.read_text())
        bake["target"]["_common"]["contexts"] = {base: f"oci-layout://{layout}@{manifest['digest']}"}
        file.write_text(json.dumps(bake))
        project.goldi("build.prod", **env)
        made = docker("image", "inspect", "--format", "{{.Id}}", image)
        assert list((project.cache_root / ".buildx-cache-production").glob("*/native/index.json"))
        # The same builder again, and its own cache.
        told = as_json(project, "build.prod", "--force", **env)
        assert told["cached"] == 4, told
        assert docker("image", "inspect", "--format", "{{.Id}}", image) == made
        # Another setting makes another builder, and removes this one.
        project.goldi("build.prod", **env, GOLDI_BUILDER_OPTIONS="servername=127.0.0.1")
        configuration = next(iter((project.cache_root.parent / "state/goldi/builders").iterdir()))
        listed = subprocess.run(
            ("docker", "buildx", "ls"),
            env={**os.environ, "BUILDX_CONFIG": str(configuration)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert len(re.findall(r"^goldilocks-", listed, re.MULTILINE)) == 1
    assert "goldilocks-" not in docker("buildx", "ls").replace("goldilocks-builder", "")


def test_what_cannot_be_had_is_told_or_built_here(world: World, project: Project) -> None:
    image, wrong = f"{project.image}:latest", world.others / "client"
    mine, theirs = world.keys / "client", world.others / "client"
    # Ours trusts the server, whose authority does not know the client.
    mixed = world.others / "mixed"
    mixed.mkdir()
    for source, name in ((mine, "ca.pem"), (theirs, "cert.pem"), (theirs, "key.pem")):
        shutil.copy(source / name, mixed / name)
    with far.relay(far.buildkit(world.call.place.socket), far.server(world.keys)) as buildkit:
        for driver, port, keys in (
            ("docker", world.port, wrong),
            ("docker", world.port, mixed),
            ("remote", buildkit, mixed),
        ):
            [line] = project.goldi("build.prod", code=NoEngine.code, **builder(driver, port, keys)).splitlines()
            assert f"tcp://127.0.0.1:{port} ({driver}) is not available: " in line
            assert re.search("certificate|unknown ca", line), line
    said = project.goldi("build.prod", **builder("remote", 1, mine), GOLDI_BUILDER_FALLBACK="1")
    assert "(remote) is not available: connection refused; the current builder is used instead" in said
    assert docker("image", "inspect", image)
