"""Pushes and caches in a real registry: what arrives, who reads it, and what happens when it refuses or is gone."""

import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.real.conftest import Project, docker, forget, remove_images
from tests.real.shop import Relay, asked, free_port, registry, relay
from tests.real.wall import _BCRYPT, REGISTRY_PASSWORD, USER

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CI that runs this test has a branch of its own."""
    for name in ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "GOLDI_VERSION", "GOLDI_REVISION"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("shop") / "registry") as address:
        yield address


def git(project: Project, *words: str) -> str:
    who = ("-c", "user.name=Baby Bear", "-c", "user.email=baby@bears.example")
    return subprocess.run(
        ("git", *who, *words), cwd=project.path, check=True, capture_output=True, text=True
    ).stdout.strip()


def summary(project: Project, *words: str, **env: Any) -> Any:
    """What a build says for scripts, without what it says for people."""
    said = project.goldi(*words, "--json", "--progress", "quiet", **env)
    return json.loads(said[said.index("{") :])


@contextmanager
def without(name: str) -> Iterator[None]:
    try:
        yield
    finally:
        remove_images(name)


def test_a_push_has_labels_provenance_an_sbom_and_a_cache(tiny: Project, shop: str) -> None:
    git(tiny, "init", "--quiet", "--initial-branch", "bowl/too-hot")
    git(tiny, "add", "--all")
    git(tiny, "commit", "--quiet", "--message", "x")
    git(tiny, "remote", "add", "origin", "https://bear:secret@git.example/bears/tiny.git")
    name = f"{shop}/bears/{tiny.image}"
    env: dict[str, Any] = {"GOLDI_REGISTRY": f"{shop}/bears", "GOLDI_MAIN_BRANCH": "bowl/too-hot"}
    scanner = f"{tiny.image}:scanner"
    dockerfile = (
        "ARG PYTHON_IMAGE\nFROM ${PYTHON_IMAGE}\n"
        'ENTRYPOINT ["python3", "-c", "import json, os; json.dump({\'_type\': \'https://in-toto.io/Statement/v0.1\','
        " 'predicateType': 'https://spdx.dev/Document', 'predicate': {'name': 'bears'}},"
        " open(os.environ['BUILDKIT_SCAN_DESTINATION'] + '/bears.spdx.json', 'w'))\"]\n"
    )
    image = (tiny.path / "infrastructure/docker/.env").read_text().splitlines()[0].partition("=")[2] or "python"
    argv = ("docker", "build", "--quiet", "--tag", scanner, "--build-arg", f"PYTHON_IMAGE={image}", "-")
    subprocess.run(argv, input=dockerfile, text=True, check=True, capture_output=True)
    with without(name):
        said = tiny.goldi("build.push", "--tag", "1.0", "--tag", "best", SCANNER_IMAGE=scanner, **env)
        assert "3 steps, 0 cached" in said
        assert "secret" not in said
        assert set(asked(shop, f"bears/{tiny.image}/tags/list")["tags"]) == {"1.0", "best"}
        scopes = asked(shop, f"bears/{tiny.image}-cache/tags/list")["tags"]
        assert len(scopes) == 1
        assert scopes[0].startswith("production-linux-")
        index = asked(shop, f"bears/{tiny.image}/manifests/1.0")
        kinds = [one.get("annotations", {}).get("vnd.docker.reference.type") for one in index["manifests"]]
        assert kinds == [None, "attestation-manifest"]
        layers = asked(shop, f"bears/{tiny.image}/manifests/{index['manifests'][1]['digest']}")["layers"]
        predicates = {layer["annotations"]["in-toto.io/predicate-type"] for layer in layers}
        assert {re.sub(r"/v[\d.]+$", "", name) for name in predicates} == {
            "https://slsa.dev/provenance",
            "https://spdx.dev/Document",
        }
        config = asked(shop, f"bears/{tiny.image}/manifests/{index['manifests'][0]['digest']}")["config"]["digest"]
        labels = asked(shop, f"bears/{tiny.image}/blobs/{config}")["config"]["Labels"]
        said_of = {key.rpartition(".")[2]: text for key, text in labels.items() if "opencontainers" in key}
        assert said_of["revision"] == git(tiny, "rev-parse", "HEAD")
        assert said_of["source"] == "https://git.example/bears/tiny"
        assert said_of["created"] == git(tiny, "log", "-1", "--format=%cI")
        remove_images(name)
        docker("pull", "--quiet", f"{name}:best")
        assert docker("run", "--rm", f"{name}:best", "cat", f"/{tiny.image}") == "0"

        forget(tiny)
        other = env | {"GITHUB_REF_NAME": "another"}
        said = tiny.goldi("build.prod", GOLDI_CACHE_BACKEND="registry", **other)
        # Another branch begins with what main has, and keeps its own.
        assert f"3 steps, 3 cached, with the cache {name}-cache:{scopes[0]}" in said
        kept = asked(shop, f"bears/{tiny.image}-cache/tags/list")["tags"]
        assert [scope for scope in kept if scope.endswith("-another")]
        forget(tiny)
        found = summary(tiny, "build.prod", "--force", "--cache-from", f"{name}:1.0")
        assert (found["steps"], found["cached"]) == (3, 3), "the image has its own cache in it"
        assert found["read"] == [f"{name}:1.0"]


def test_what_a_registry_has_against_a_push_is_told(tiny: Project, shop: str, tmp_path: Path) -> None:
    tiny.goldi("build.prod")
    with relay(Relay(shop)) as before, without(f"{before.address}/{tiny.image}"):
        env: dict[str, Any] = {"GOLDI_REGISTRY": before.address, "DOCKER_CONFIG": str(tmp_path)}
        before.mood = 403
        said = tiny.goldi("build.push", code=22, **env)
        assert re.fullmatch(
            f"goldi: the registry {before.address} refuses {before.address}/{tiny.image}:latest: "
            r"(403 Forbidden|requested access to the resource is denied)\. "
            f"Run `docker login {before.address}` with an account that has access.",
            said.splitlines()[-1],
        )
        assert "trying again" not in said
        # BuildKit asks for each of some layers six times at once before it gives up.
        before.mood, before.tempers = 429, 45
        said = tiny.goldi("build.push", **env)
        assert f"goldi: the registry {before.address} got too many requests from here: " in said
        assert "trying again in 1 s" in said
        assert asked(shop, f"{tiny.image}/tags/list")["tags"] == ["latest"]
    gone = f"127.0.0.1:{free_port()}"
    with without(f"{gone}/{tiny.image}"):
        said = tiny.goldi("build.push", code=22, GOLDI_REGISTRY=gone)
    assert f"goldi: the cache registry {gone} does not answer (connection refused): building without it" in said
    assert f"goldi: the registry {gone} does not answer: connection refused. Check that it is running" in said


def test_a_login_is_dockers_own(tiny: Project, tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text(f"{USER}:{_BCRYPT}\n")
    auth = f"auth: {{htpasswd: {{realm: bears, path: {tmp_path}/htpasswd}}}}\n"
    with registry(tmp_path / "registry", auth=auth) as address, without(f"{address}/{tiny.image}"):
        env: dict[str, Any] = {"GOLDI_REGISTRY": address, "DOCKER_CONFIG": str(tmp_path / "docker")}
        said = tiny.goldi("build.push", code=22, **env)
        assert f"Run `docker login {address}` with an account" in said.splitlines()[-1]
        # A cache that wants a login costs a warning.
        said = tiny.goldi("build.prod", GOLDI_CACHE_BACKEND="registry", **env)
        assert f"since the registry {address} refuses the request" in said
        assert "goldi: the cache was not exported: " in said
        login = ("docker", "login", "--username", USER, "--password-stdin", address)
        subprocess.run(login, env=tiny.env | env, input=REGISTRY_PASSWORD, text=True, check=True, capture_output=True)
        said = tiny.goldi("build.push", **env)
        assert "refuses" not in said
        assert REGISTRY_PASSWORD not in said


def test_a_dead_cache_slows_a_build_and_never_fails_it(tiny: Project) -> None:
    env: dict[str, Any] = {"GOLDI_CACHE_BACKEND": "registry"}
    gone = f"127.0.0.1:{free_port()}"
    said = tiny.goldi("build.prod", GOLDI_REGISTRY=gone, **env)
    assert f"goldi: the cache registry {gone} does not answer (connection refused): building without it" in said
    with socket.create_server(("127.0.0.1", 0)) as silent:
        held: list[socket.socket] = []
        threading.Thread(target=lambda: held.append(silent.accept()[0]), daemon=True).start()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        said = tiny.goldi("build.prod", "--force", GOLDI_REGISTRY=address, **env)
        assert time.monotonic() - began < 15
        for one in held:
            one.close()
        assert f"{address} does not answer (no answer within 3 s): building without it" in said
    said = tiny.goldi("build.prod", "--force", GOLDI_CACHE_BACKEND="gha", ACTIONS_CACHE_URL="")
    assert "GitHub's cache cannot be reached, since ACTIONS_" in said
