"""By which numbers containers know the caller, and when the engine is asked at all."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks import process
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed
from tests.recording import INFO

ROOTLESS = INFO | {"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"]}


class Engine:
    """Answers `docker info`, and counts how often."""

    def __init__(self, said: str | Exception) -> None:
        self.said, self.asked = said, 0

    def __call__(self, command: Command, **_: Any) -> str:
        assert command.argv[:2] == ("docker", "info")
        self.asked += 1
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Engine:
    """A rootless one, at a socket that is not root's."""
    found = Engine(json.dumps(ROOTLESS))
    monkeypatch.setattr(process, "capture", found)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    monkeypatch.setenv("HOME", str(tmp_path))
    return found


def test_on_a_rootless_engine_the_caller_is_root(engine: Engine) -> None:
    assert system_info.map_owner((1000, 100)) == (0, 0)
    assert system_info.map_owner((1000, 100)) == (0, 0)
    assert engine.asked == 1, "it is asked once"


def test_elsewhere_he_is_himself(engine: Engine) -> None:
    engine.said = json.dumps(INFO)
    assert system_info.map_owner((1000, 100)) == (1000, 100)


def test_where_no_engine_answers_too(engine: Engine) -> None:
    engine.said = CommandFailed("Cannot connect to the Docker daemon", 1)
    assert system_info.map_owner((1000, 100)) == (1000, 100)


def test_root_is_root_wherever(engine: Engine) -> None:
    assert system_info.map_owner((0, 0)) == (0, 0)
    assert engine.asked == 0


SYSTEM = Path("/var/run/docker.sock")


@pytest.mark.parametrize(
    ("env", "config", "asked"),
    [
        ({}, "", 0),
        ({"DOCKER_HOST": f"unix://{SYSTEM}"}, "", 0),
        ({}, '{"currentContext": "default"}', 0),
        ({}, '{"currentContext": "rootless"}', 1),
        ({}, "not JSON", 0),
        ({"DOCKER_CONTEXT": "rootless"}, "", 1),
        ({"DOCKER_HOST": "tcp://192.0.2.1:2376"}, "", 1),
        ({"DOCKER_HOST": "unix:///no/such/docker.sock"}, "", 1),
    ],
)
def test_a_socket_of_roots_saves_the_question(
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    env: dict[str, str],
    config: str,
    asked: int,
) -> None:
    roots = Path("/proc/1")  # whose owner is root on every machine
    monkeypatch.setattr(system_info, "_SOCKET", str(roots))
    monkeypatch.delenv("DOCKER_HOST")
    for name, value in env.items():
        monkeypatch.setenv(name, value.replace(str(SYSTEM), str(roots)))
    if config:
        (tmp_path / ".docker").mkdir()
        (tmp_path / ".docker/config.json").write_text(config)
    system_info.map_owner((1000, 100))
    assert engine.asked == asked
