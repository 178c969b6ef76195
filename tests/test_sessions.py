import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nox
import nox.registry
import pytest
from nox.command import CommandFailed

from goldi_tasks import sessions
from goldi_tasks.sessions import container_session


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch, project: Path) -> dict[str, Any]:
    monkeypatch.setattr(nox.registry, "_REGISTRY", {})
    monkeypatch.chdir(project)
    return nox.registry._REGISTRY


def test_a_line_is_a_session(registry: dict[str, Any]) -> None:
    lint = container_session("lint", "ruff", "check", tags=["quick"], default=False)
    assert registry == {"lint": lint}
    assert lint.tags == ["quick"]
    assert not lint.default
    assert lint.venv_backend == "none"
    assert lint.__doc__ == "ruff check, in the tools image."


def test_it_may_run_beside_others_where_nox_can_do_that() -> None:
    found = vars(container_session("x", "y"))
    assert found.get("allow_parallel", True) is True


def test_on_the_host_it_gets_an_environment_that_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLDI_RUN", "host")
    found = container_session("lint", "ruff")
    assert (found.venv_backend, found.reuse_venv) == ("venv", True)


def test_a_session_without_a_command_is_refused() -> None:
    with pytest.raises(ValueError, match="has no command"):
        container_session("lint")
    with pytest.raises(ValueError, match="has no command"):
        container_session("lint", commands=[["ruff"], []])


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([("pytest",)], [("pytest", "-k", "a or b")]),
        ([("ruff", "check"), ("mypy",)], [("ruff", "check"), ("mypy", "-k", "a or b")]),
        ([("ruff", "{posargs}"), ("mypy",)], [("ruff", "-k", "a or b"), ("mypy",)]),
        ([("a", "{posargs}", "b")], [("a", "-k", "a or b", "b")]),
    ],
)
def test_arguments_after_the_dashes_arrive_exactly(lines: list[tuple[str, ...]], found: list[tuple[str, ...]]) -> None:
    assert sessions._fill_posargs(lines, ["-k", "a or b"]) == found


@pytest.mark.door
def test_importing_it_registers_nothing_and_brings_no_slow_library() -> None:
    code = (
        "import sys, goldi_tasks.sessions, nox.registry; "
        "print(nox.registry._REGISTRY, {'rich', 'docker', 'requests'} & sys.modules.keys())"
    )
    said = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True).stdout
    assert said == "{} set()\n" or said.startswith("OrderedDict"), said


@pytest.mark.parametrize(
    ("codes", "keep_going", "ran", "code"),
    [
        ({"b": 3}, False, "ab", 3),
        ({"b": 3, "c": 4}, True, "abcd", 3),
        ({"d": 5}, True, "abcd", 5),
        ({}, True, "abcd", None),
    ],
)
def test_commands_after_one_that_failed(
    codes: dict[str, int], keep_going: bool, ran: str, code: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = []

    def run(session: object, line: tuple[str, ...], env: object, logins: bool) -> int:
        began.append(line[0])
        return codes.get(line[0], 0)

    monkeypatch.setattr(sessions, "_run", run)
    session: Any = SimpleNamespace(posargs=[], log=lambda _: None, warn=lambda _: None)
    body: Any = container_session("x", commands=[[name] for name in "abcd"], keep_going=keep_going)
    if code is None:
        body.func(session)
    else:
        with pytest.raises(CommandFailed) as failed:
            body.func(session)
        assert failed.value.return_code == code
    assert "".join(began) == ran
