"""What every tier needs: a clean environment, no program started unawares, a scratch project."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from goldi_tasks import paths
from goldi_tasks.client import system_info
from goldi_tasks.settings import default_root
from tests.recording import Recording

REPO = Path(__file__).resolve().parent.parent

# A shell ignores it for what runs in its background, and every program that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Variables that change what goldi_tasks does; a test that wants one sets it.
_OURS = ("PYTHON_IMAGE", "NODE_IMAGE", "POSTGRES_IMAGE", "SUDO_UID", "SUDO_GID")
_STARTERS = ("fork", "forkpty", "posix_spawn", "posix_spawnp", "system", "execv", "execve")


def _has_marker(request: pytest.FixtureRequest, *names: str) -> bool:
    return any(request.node.get_closest_marker(name) for name in names)


@pytest.fixture(autouse=True)
def clean_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    engines_own = _has_marker(request, "contract", "real")
    for name in list(os.environ):
        if (
            name.startswith(("GOLDI_", "INVOKE_", "COMPOSE_"))
            or name in _OURS
            or (name.startswith("DOCKER_") and not engines_own)
        ):
            monkeypatch.delenv(name)
    system_info.host.cache_clear()
    system_info.forget()
    system_info.is_engine_rootless.cache_clear()


@pytest.fixture(autouse=True)
def no_programs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test without a marker is pure: it fails, loudly, when anything starts a program."""
    if _has_marker(request, "door", "contract", "real"):
        return

    def refuse(*args: object, **kwargs: object) -> NoReturn:
        # pytest.fail raises a BaseException: no `except Exception` or `except OSError` on the way swallows it.
        # A Popen that never was has no repr.
        shown = [arg for arg in args if not isinstance(arg, subprocess.Popen)]
        pytest.fail(f"a test without a marker started a program: {shown}; mark it door, contract or real")

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
    for name in _STARTERS:
        monkeypatch.setattr(os, name, refuse)


@pytest.fixture(autouse=True)
def free_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default cache root is /tmp, whoever has names of caches in this machine's."""
    monkeypatch.setattr(default_root, "choose", lambda: (paths.DEFAULT_ROOT, ""))


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Path]:
    """Makes a project with the bake file and the given `[tool.goldi]` lines."""

    def make(*lines: str, name: str = "project") -> Path:
        project = tmp_path / name
        docker = project / "infrastructure" / "docker"
        docker.mkdir(parents=True)
        shutil.copy(REPO / "infrastructure/docker/docker-bake.json", docker)
        text = "\n".join(["[project]", 'name = "Three Bears"', "[tool.goldi]", *lines, ""])
        (project / "pyproject.toml").write_text(text, encoding="utf-8")
        return project

    return make


@pytest.fixture
def project(make_project: Callable[..., Path], tmp_path: Path) -> Path:
    """A project whose caches lie beside it."""
    return make_project(f'cache-root = "{tmp_path / "caches"}"')


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    """A docker that records how it is called and answers as it is told."""
    return Recording(tmp_path / "recording")
