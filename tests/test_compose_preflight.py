"""Whose a port is, before the stack is touched."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from goldi_tasks.client import system_info
from goldi_tasks.compose import ports, preflight
from goldi_tasks.compose.compose_arguments import Compose
from goldi_tasks.compose.containers import Container
from goldi_tasks.compose.stack_model import Port, Service, Stack
from goldi_tasks.errors import StackRefused
from goldi_tasks.settings import Settings

PROJECT = Path("/p")
WEB = Service("web", "bears:latest", ports=(Port("127.0.0.1", 8000, 80),))


def container(service: str, state: str, published: str = "") -> Container:
    return Container("id", "name", state, state, "bears:latest", published, "bears", service, str(PROJECT))


def refuse(*before: Container) -> None:
    stack = Stack("bears", {"web": WEB}, {}, {})
    preflight.expect_startable(Settings(PROJECT), Compose({}), stack, [WEB], before, [])


@pytest.fixture(autouse=True)
def taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody listens there; nobody is asked what the compose file says."""
    monkeypatch.setattr(ports, "taken", lambda port: True)
    monkeypatch.setattr(ports, "holder", lambda port: "somebody")
    monkeypatch.setattr(preflight, "_suggest_remedy", lambda *_: "Stop it")
    monkeypatch.delenv("DOCKER_HOST", raising=False)


def test_a_port_that_the_service_itself_holds_is_free() -> None:
    refuse(container("web", "running", "127.0.0.1:8000->80/tcp"))


def test_a_service_that_dies_again_and_again_holds_its_ports_while_it_lists_none() -> None:
    refuse(container("web", "restarting"))


@pytest.mark.parametrize(
    ("before", "who"),
    [
        ((), "somebody"),
        ((container("web", "exited"),), "somebody"),
        ((container("web", "running"),), "somebody"),
        ((container("web-dev", "running", "127.0.0.1:8000->80/tcp"),), "web-dev of this stack"),
    ],
)
def test_a_port_of_somebody_else_is_refused(before: tuple[Container, ...], who: str) -> None:
    with pytest.raises(StackRefused, match=f"port 8000 of 127.0.0.1, which web publishes, is in use by {who}"):
        refuse(*before)


@pytest.mark.parametrize(
    ("inside", "user", "mode", "reads"),
    [
        ((1000, 100), "1000", 0o600, True),
        ((1000, 100), "0", 0o600, False),
        # A rootless engine: the caller is root there, and 1000 is nobody here.
        ((0, 0), "0", 0o600, True),
        ((0, 0), "1000", 0o600, False),
        ((0, 0), "postgres", 0o644, True),
    ],
)
def test_a_secret_is_for_whom_its_owner_is_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: tuple[int, int], user: str, mode: int, reads: bool
) -> None:
    monkeypatch.setattr(system_info, "map_owner", lambda owner: inside)
    file = tmp_path / "password"
    file.touch(mode)
    service = Service("db", "bears:latest", secrets=("password",), user=user)
    stack = Stack("bears", {"db": service}, {}, {"password": str(file)})
    refused = pytest.raises(StackRefused, match=r"db cannot read its secret .*, which only the file's owner can read")
    with nullcontext() if reads else refused:
        preflight.expect_startable(Settings(PROJECT), Compose({}), stack, [service], [], [])
