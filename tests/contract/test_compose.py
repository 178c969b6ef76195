"""The compose files against the table of caches, the Dockerfile and the guide, by the real `docker compose config`."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from goldi_tasks import envfile
from goldi_tasks.compose import stack_model
from goldi_tasks.paths import BY_NAME, CACHES
from goldi_tasks.settings.image_names import BUILT, DATABASE, DATABASE_MADE
from tests.conftest import REPO

pytestmark = pytest.mark.contract

FOLDER = "infrastructure/docker"
FILE = f"{FOLDER}/docker-compose.yml"
MACHINE = {
    "GOLDI_CACHE_ROOT": "/caches, ü",
    "GOLDI_PROJECT": "/the project",
    "GOLDI_PROJECT_KEY": "key",
    "GOLDI_UID": "7",
    "GOLDI_GID": "8",
}


def ask(*arguments: str, **env: str) -> str:
    """What `docker compose ARGUMENTS` prints; no engine is asked."""
    # What .env has on this machine is not what the files say.
    told = dict.fromkeys(("PYTHON_IMAGE", "NODE_IMAGE", "POSTGRES_IMAGE", "GOLDI_DATABASE"), "")
    environ = {**os.environ, "DOCKER_HOST": "unix:///nonexistent/docker.sock", **told, **MACHINE, **env}
    done = subprocess.run(
        ("docker", "compose", *arguments), cwd=REPO, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def config(*files: str, **env: str) -> Mapping[str, Any]:
    flags = [part for file in files for part in ("--file", file)]
    found = json.loads(ask(*flags, "--profile", "*", "config", "--format", "json", **env))
    return {key: value for key, value in found.items() if not key.startswith("x-")}


ALL = pytest.mark.parametrize("files", [(), (FILE,), (FILE, f"{FOLDER}/docker-compose.watch.yml")], ids=len)


@ALL
def test_every_stage_is_there_and_every_profile_is_whole(files: tuple[str, ...]) -> None:
    stages = re.findall(r"^FROM .* AS (\S+)", (REPO / FOLDER / "Dockerfile").read_text(), re.M)
    targets = json.loads((REPO / FOLDER / "docker-bake.json").read_text())["target"]
    stack = stack_model.parse(config(*files))
    assert stack.name == "goldilocks"
    assert stack.profiles == ["build", "dev", "prod"]
    for profile in stack.profiles:
        assert stack_model.select_services(stack, (profile,))
    for service in stack.services.values():
        if service.target:
            assert service.target in stages
            # Whatever builds it, it is the same image.
            assert service.image.removeprefix("goldilocks:") in targets | {"latest": None}
        else:
            assert service.image == DATABASE


@ALL
def test_the_database_is_pulled_unless_it_is_one_of_ours(files: tuple[str, ...]) -> None:
    """Compose builds what is not here, and must not give it the official image's name."""
    bake = json.loads((REPO / FOLDER / "docker-bake.json").read_text())["target"]["postgres"]
    assert bake["tags"] == [DATABASE_MADE]
    for env in ({}, {"POSTGRES_IMAGE": "mirror/postgres"}, BUILT):
        services = config(*files, **env)["services"]
        for name in ("goldilocks-db", "goldilocks-db-dev"):
            assert services[name]["image"] == env.get("POSTGRES_IMAGE", DATABASE)
            assert ("build" in services[name]) is (env is BUILT)
    built = services["goldilocks-db-dev"]["build"]
    assert (built["target"], built["context"]) == ("postgres", str(REPO))
    assert built["args"] == {"PYTHON_IMAGE": "python:3.13-slim-trixie"}


def test_both_ways_to_the_file_are_one_stack() -> None:
    assert config() == config(FILE)


def test_the_caches_are_the_tables() -> None:
    found = config()
    mounted = {cache for cache in CACHES if cache.mount is not None}
    devices = {said["driver_opts"]["device"] for said in found["volumes"].values() if "driver_opts" in said}
    assert devices == {
        f"/caches, ü/{cache.name}/key" if cache.scope == "project" else f"/caches, ü/{cache.name}" for cache in mounted
    }
    app = PurePosixPath("/the project/examples/goldilocks")
    targets = {str(app / cache.mount) for cache in mounted if cache.mount}
    # A mount point below the project is made in it: only where there is a front end that has a use for it.
    node = {str(app / "frontend/node_modules")}
    wanted = {"goldilocks-backend-dev": targets - node, "goldilocks-frontend-dev": {"/cache/npm", *node}}
    for name, expected in wanted.items():
        service = found["services"][name]
        at = {mount["target"] for mount in service["volumes"] if mount["type"] == "volume"}
        assert at == expected
        (source,) = (mount for mount in service["volumes"] if mount["type"] == "bind")
        assert (source["target"], source["source"]) == ("/the project", str(REPO))
        assert not source.get("bind", {}).get("create_host_path"), "the engine makes no source"
        assert service["user"] == "7:8"
        assert service["labels"]["goldi.caches"] == "/caches, ü", "setup-cache.sh finds it by this"


@pytest.mark.parametrize("name", [cache.name for cache in CACHES if cache.mount is not None])
def test_each_cache_may_have_a_root_of_its_own(name: str) -> None:
    devices = device_paths()
    moved = device_paths(**{BY_NAME[name].root_variable: "/fast, ü"})
    (was,), (now,) = devices - moved, moved - devices
    assert str(now) == str(was).replace("/caches, ü/", "/fast, ü/")
    assert now.parts[2] == name
    # An empty variable is none.
    assert device_paths(**{BY_NAME[name].root_variable: ""}) == devices


def device_paths(**env: str) -> set[PurePosixPath]:
    said = config(**env)["volumes"].values()
    return {PurePosixPath(one["driver_opts"]["device"]) for one in said if "driver_opts" in one}


def test_production_has_no_more_rights_than_it_needs() -> None:
    for name, service in config()["services"].items():
        if service["profiles"] == ["build"]:
            assert service["scale"] == 0
            continue
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", ()))
        assert not [key for key in service.get("environment", {}) if key.endswith("PASSWORD")], "a secret is a file"
        if "prod" in service["profiles"]:
            assert service["read_only"], name
            assert service["restart"] == "unless-stopped"
            assert int(service["mem_limit"]) > 0
            assert service["pids_limit"] > 0
            assert service["stop_grace_period"]


def test_a_setting_moves_what_is_published_and_kept() -> None:
    env = {
        "GOLDI_PORT": "9000",
        "GOLDI_PUBLISH": "127.0.0.2",
        "GOLDI_MEMORY": "1g",
        "POSTGRES_IMAGE": "mirror/postgres",
    }
    found = json.loads(ask("--profile", "prod", "config", "--format", "json", **env))["services"]
    (port,) = found["goldilocks-backend"]["ports"]
    assert (port["published"], port["host_ip"]) == ("9000", "127.0.0.2")
    assert found["goldilocks-backend"]["mem_limit"] == str(2**30)
    assert found["goldilocks-db"]["image"] == "mirror/postgres"


def test_compose_reads_what_we_write(tmp_path: Path) -> None:
    values = ["/tmp", "/cache, ü", 'it\'s $HOME "x" \\', "a#b"]
    envfile.write(tmp_path / ".env", {f"V{n}": value for n, value in enumerate(values)})
    lines = "\n".join(f"      V{n}: ${{V{n}}}" for n in range(len(values)))
    (tmp_path / "compose.yaml").write_text(f"services:\n  one:\n    image: x\n    environment:\n{lines}\n")
    said = ask(
        "--project-directory", str(tmp_path), "--file", str(tmp_path / "compose.yaml"), "config", "--format", "json"
    )
    assert list(json.loads(said)["services"]["one"]["environment"].values()) == [v.replace("$", "$$") for v in values]
