import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from goldi_tasks import process
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, NoDocker, NoEngine, NoPermission, NotDocker
from tests.recording import BUILDX_LS, BUILDX_LS_GUIDE, CLASSIC, INFO

Machine = Callable[..., None]

BUILDX_LS_OLD = """\
NAME/NODE DRIVER/ENDPOINT STATUS  BUILDKIT             PLATFORMS
default *   docker
  default default         running v0.11.7+d3e6c1360f6e linux/amd64
"""
BUILDX_LS_CURRENT_GUIDE = BUILDX_LS_GUIDE.replace("default*", "default ").replace(
    "goldilocks-builder        ", "goldilocks-builder*       "
)
NO_ENGINE = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
NO_PERMISSION = (
    "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: "
    'Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.45/info": dial unix /var/run/docker.sock: connect: permission denied'
)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Sets what `docker ARGUMENTS` prints; an exception is raised, a call without an answer fails the test."""

    def fake(**answers: str | Exception) -> None:
        texts: dict[str, str | Exception] = {
            "info": json.dumps(INFO),
            "buildx_version": "github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3\n",
            "compose_version": "Docker Compose version 2.26.1-4\n",
            "buildx_ls": BUILDX_LS,
            **answers,
        }

        def capture(command: Command, **_: Any) -> str:
            words = [word for word in command.argv[1:3] if not word.startswith("-")]
            answer = texts["_".join(words)]
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(process, "capture", capture)
        monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")

    fake()
    return fake


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3", (0, 13, 1)),
        ("github.com/docker/buildx v0.29.1 28f6246ff24e2e6095e6e7c48dfc9ba4d3ff5d27", (0, 29, 1)),
        ("Docker Compose version v2.40.3", (2, 40, 3)),
        ("26.1.5+dfsg1", (26, 1, 5)),
        ("24.04", (24, 4)),
        ("none", ()),
        ("", ()),
    ],
)
def test_version(text: str, numbers: tuple[int, ...]) -> None:
    assert system_info.version(text) == numbers


def test_debians_engine(machine: Machine) -> None:
    assert system_info.docker() == system_info.Docker(
        engine=(26, 1, 5),
        buildx=(0, 13, 1),
        store="containerd",
        driver="docker",
        builders=("default",),
        rootless=False,
        platform="linux/amd64",
    )


@pytest.mark.parametrize(
    ("text", "driver", "builders"),
    [
        (BUILDX_LS, "docker", ("default",)),
        (BUILDX_LS_OLD, "docker", ("default",)),
        (BUILDX_LS_GUIDE, "docker", ("goldilocks-builder", "default")),
        (BUILDX_LS_CURRENT_GUIDE, "docker-container", ("goldilocks-builder", "default")),
    ],
    ids=["0.13", "old", "with the guide's builder", "the guide's builder is current"],
)
def test_builders(machine: Machine, text: str, driver: str, builders: tuple[str, ...]) -> None:
    machine(buildx_ls=text)
    found = system_info.docker()
    assert (found.driver, found.builders) == (driver, builders)


def test_a_builder_that_the_environment_names_is_the_current_one(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(buildx_ls=BUILDX_LS_GUIDE)
    monkeypatch.setenv("BUILDX_BUILDER", "goldilocks-builder")
    found = system_info.docker()
    assert (found.driver, found.current) == ("docker-container", "goldilocks-builder")


@pytest.mark.parametrize(
    ("info", "listing", "exports"),
    [(INFO, BUILDX_LS, True), (CLASSIC, BUILDX_LS, False), (CLASSIC, BUILDX_LS_CURRENT_GUIDE, True)],
)
def test_who_exports_local_caches(machine: Machine, info: dict[str, Any], listing: str, exports: bool) -> None:
    machine(info=json.dumps(info), buildx_ls=listing)
    assert system_info.docker().exports_local is exports


@pytest.mark.parametrize(("text", "asks"), [("v0.13.1", False), ("v0.19.9", False), ("v0.20.0", True), ("v1.0", True)])
def test_which_buildx_asks_for_paths(machine: Machine, text: str, asks: bool) -> None:
    machine(buildx_version=text)
    assert system_info.docker().asks_for_paths is asks


def test_rootless_and_another_architecture(machine: Machine) -> None:
    machine(info=json.dumps(INFO | {"SecurityOptions": ["name=rootless"], "Architecture": "aarch64"}))
    found = system_info.docker()
    assert found.rootless
    assert found.platform == "linux/arm64"


def test_no_compose_is_no_failure(machine: Machine) -> None:
    machine(compose_version=CommandFailed("docker compose: unknown command", 1))
    assert system_info.compose() == ()


def test_no_buildx(machine: Machine) -> None:
    machine(buildx_version=CommandFailed("docker: 'buildx' is not a docker command.", 1))
    with pytest.raises(NoDocker, match="docker has no buildx plugin"):
        system_info.docker()


def test_no_client(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(NoDocker, match="docker is not installed"):
        system_info.docker()


@pytest.mark.parametrize(
    "said",
    [
        CommandFailed(f"docker info: {NO_ENGINE}", 1),
        json.dumps({"ServerVersion": "", "ServerErrors": [NO_ENGINE]}),
        json.dumps({"ServerVersion": ""}),
    ],
    ids=["exit code 1", "exit code 0", "nothing said"],
)
def test_no_engine_in_the_words_of_any_client(machine: Machine, said: str | Exception) -> None:
    machine(info=said)
    with pytest.raises(NoEngine, match="no Docker engine answers"):
        system_info.docker()


@pytest.mark.parametrize(
    "said", [CommandFailed(f"docker info: {NO_PERMISSION}", 1), json.dumps({"ServerErrors": [NO_PERMISSION]})]
)
def test_no_permission_in_the_words_of_any_client(machine: Machine, said: str | Exception) -> None:
    machine(info=said)
    with pytest.raises(NoPermission, match="usermod -aG docker"):
        system_info.docker()


PODMAN = INFO | {"ServerVersion": "5.4.2", "IndexServerAddress": ""}
PARTS = '[{"Name": "Podman Engine", "Version": "5.4.2"}, {"Name": "Conmon", "Version": "conmon version 2.1.12"}]'


@pytest.mark.parametrize(
    "info",
    [PODMAN, {"host": {"os": "linux"}, "version": {"APIVersion": "5.4.2", "Version": "5.4.2"}}],
    ids=["behind Docker's client", "its own client under docker's name"],
)
def test_podman_is_refused_by_name(machine: Machine, info: dict[str, Any]) -> None:
    machine(info=json.dumps(info), version=PARTS)
    with pytest.raises(
        NotDocker, match=r"Podman 5\.4\.2 answers as the engine.*`inv engine\.up` starts one"
    ) as refused:
        system_info.docker()
    assert refused.value.code == NoEngine.code == 11


@pytest.mark.parametrize("parts", ['[{"Name": "Engine", "Version": "28.5.2"}]', "null", CommandFailed("no", 1)])
def test_an_engine_that_names_no_registry_is_not_podman_for_that(machine: Machine, parts: str | Exception) -> None:
    machine(info=json.dumps(PODMAN), version=parts)
    assert system_info.docker().engine == (5, 4, 2)


def test_answers_are_kept_until_forgotten(machine: Machine) -> None:
    first = system_info.docker()
    machine(info=json.dumps(CLASSIC))
    assert system_info.docker() is first
    system_info.forget()
    assert system_info.docker().store == "classic"


def test_the_host_is_named_as_docker_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert system_info.host().platform == "linux/arm64"
    assert system_info.host() is system_info.host()
