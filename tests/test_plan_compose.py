"""The stack as values."""

from pathlib import Path
from typing import Any

import pytest

from goldi_tasks.client.system_info import Host
from goldi_tasks.compose import compose_arguments, stack_model
from goldi_tasks.compose.compose_arguments import Compose
from goldi_tasks.compose.stack_model import Port, Stack, Volume
from goldi_tasks.errors import SettingsError, UnknownName
from goldi_tasks.settings import Settings

CONFIG: dict[str, Any] = {
    "name": "bears",
    "services": {
        "web": {
            "image": "bears:latest",
            "build": {"target": "production"},
            "profiles": ["prod"],
            "depends_on": {
                "db": {"condition": "service_healthy", "required": True},
                "migrate": {"condition": "service_completed_successfully"},
                "cache": {"condition": "service_started", "required": False},
            },
            "ports": [{"host_ip": "127.0.0.1", "target": 80, "published": "8000", "protocol": "tcp"}, {"target": 9}],
            "secrets": [{"source": "password"}],
            "volumes": [
                {"type": "volume", "source": "data", "target": "/d"},
                {"type": "bind", "source": "/", "target": "/"},
            ],
        },
        "db": {"image": "postgres:17", "profiles": ["prod", "dev"]},
        "migrate": {"image": "bears:latest", "profiles": ["prod"]},
        "cache": {"image": "redis", "profiles": ["dev"]},
        "images": {"image": "bears:tools", "build": {"target": "tools"}, "profiles": ["build"], "scale": 0},
        "none": {"image": "x", "profiles": ["build"], "deploy": {"replicas": 0}},
    },
    "volumes": {
        "data": {"name": "bears_data"},
        "pip": {"name": "bears_pip", "driver_opts": {"type": "none", "o": "bind", "device": "/tmp/pip"}},
    },
    "secrets": {"password": {"file": "/s/password"}, "told": {"environment": "TOLD"}},
}
STACK = stack_model.parse(CONFIG)


def names(*profiles: str, services: tuple[str, ...] = ()) -> list[str]:
    return sorted(service.name for service in stack_model.select_services(STACK, profiles, services))


def test_what_is_read_of_a_service() -> None:
    web = STACK.services["web"]
    assert (STACK.name, web.target, web.secrets, web.mounts) == (
        "bears",
        "production",
        ("password",),
        (("data", "/d"),),
    )
    assert web.ports == (Port("127.0.0.1", 8000, 80),), "a port that the engine chooses is nobody's"
    assert dict(web.after) == {"db": True, "migrate": True, "cache": False}
    assert STACK.jobs == {"migrate"}
    assert STACK.secrets == {"password": "/s/password"}
    assert [name for name, service in STACK.services.items() if not service.starts] == ["images", "none"]


def test_a_volume_is_a_directory_or_the_engines() -> None:
    assert STACK.volumes["data"].device == ""
    assert STACK.volumes["pip"].device == "/tmp/pip"
    assert Volume("nfs", (("device", ":/x"), ("o", "addr=1"), ("type", "nfs"))).device == ""


def test_the_services_of_profiles_and_what_they_need() -> None:
    assert names("prod") == ["db", "migrate", "web"]
    assert names("dev") == ["cache", "db"]
    assert names("dev", "prod") == ["cache", "db", "migrate", "web"]
    assert names("prod", services=("db",)) == ["db"]
    assert names("dev", services=("images",)) == ["images"], "a service that is named is meant"


@pytest.mark.parametrize(
    ("profiles", "services", "said"),
    [
        (("prodd",), (), "no service has the profile 'prodd'. Did you mean 'prod'?"),
        (("dev",), ("wbe",), "there is no service 'wbe'. Did you mean 'web'?"),
        (("nothing",), (), "no service has the profile 'nothing'. Known: build, dev, prod."),
    ],
)
def test_what_is_misspelt(profiles: tuple[str, ...], services: tuple[str, ...], said: str) -> None:
    with pytest.raises(UnknownName) as error:
        stack_model.select_services(STACK, profiles, services)
    assert str(error.value) == said


def test_a_service_that_needs_one_of_another_profile() -> None:
    services = CONFIG["services"] | {"db": {"image": "postgres:17", "profiles": ["dev"]}}
    stack: Stack = stack_model.parse(CONFIG | {"services": services})
    with pytest.raises(
        SettingsError, match=r"web depends on db, which is not in the profile 'prod'\. Give db that profile"
    ):
        stack_model.select_services(stack, ("prod",))
    assert len(stack_model.select_services(stack, ("prod", "dev"))) == 4


def test_commands() -> None:
    env = compose_arguments.machine(Settings(Path("/p/bears")), (7, 8), Path("/n"))
    assert (env["GOLDI_PROJECT"], env["GOLDI_UID"], env["GOLDI_GID"]) == ("/p/bears", "7", "8")
    command = Compose(env, ("a.yml", "b.yml")).command(("dev", "prod"), "up", secrets={"TOLD": "it"})
    assert command.argv == (
        *("docker", "compose", "--file", "a.yml", "--file", "b.yml"),
        *("--profile", "dev", "--profile", "prod", "up"),
    )
    assert "it" not in str(command)
    quiet = Host(uid=1, gid=1, tty=False, platform="linux/amd64")
    assert compose_arguments.exec_in(quiet, "abc", ["ls", "-l"]).argv == (
        "docker",
        "exec",
        "--interactive",
        "abc",
        "ls",
        "-l",
    )
