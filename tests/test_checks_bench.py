"""The benchmark of checks, its pure parts: which sessions, what is heard of them, what is said."""

from collections.abc import Callable
from pathlib import Path

import pytest

from goldi_tasks import settings as project_settings
from goldi_tasks.benchmark import limits
from goldi_tasks.checks import environment
from goldi_tasks.checks.check_benchmark import check_rounds, measured_sessions
from goldi_tasks.errors import NotAProject

SECONDS = {
    "lint, container": 0.6,
    "lint, host": 0.5,
    "lint, compose": 1.2,
    "lint, first": 1.2,
    "typecheck, container": 1.1,
    "typecheck, host": 1.0,
}
DIGEST = "0123456789abcdef" * 4


def test_the_table() -> None:
    text = "\n".join(limits.lines(check_rounds.report(5, SECONDS)))
    assert "| `nox -s lint`, warm | 0.60 s | host 0.50 s | +0.15 s | +0.10 s |" in text
    assert "| `docker compose run` 1.20 s | 2.50 times as fast | 2.00 times as fast, **missed** |" in text
    assert "| 1.20 s | host 0.50 s | +0.60 s | +0.70 s, **missed** |" in text
    assert "| `mypy`, warm cache | 1.10 s | host 1.00 s | 1.15 times | 1.10 times |" in text
    assert "nox -j" not in text, "this nox has no -j"
    assert "Medians of 5, from one run, on " in text


def test_the_figures_for_scripts() -> None:
    told = limits.as_json(check_rounds.report(1, SECONDS | {"parallel, container": 4.0, "parallel, host": 3.0}))
    assert told["seconds"]["lint, compose"] == 1.2
    assert [row["met"] for row in told["limits"]] == [True, False, False, True, False]
    assert [row["measured"] for row in told["limits"]] == [0.1, 2.0, 0.7, 1.1, 1.333]


@pytest.mark.parametrize(("kind", "value", "good", "bad"), [("more", 0.15, 0.15, 0.2), ("faster", 2.5, 3.0, 2.4)])
def test_limits_know_their_side(kind: limits.Kind, value: float, good: float, bad: float) -> None:
    limit = limits.Limit("", "", "", "", kind, value)
    assert limit.is_met(good)
    assert not limit.is_met(bad)


def test_mypy_checks_what_the_project_says_else_the_app(make_project: Callable[..., Path]) -> None:
    plain = make_project(name="plain")
    found = measured_sessions.sessions(project_settings.load(plain, {}))
    assert found["lint"] == [["ruff", "check", "."]]
    assert found["typecheck"] == [["mypy", "."]]
    assert len(found) == 2 + measured_sessions.PARTS
    said = make_project("[tool.mypy]", 'files = ["src"]', name="said")
    assert measured_sessions.sessions(project_settings.load(said, {}))["typecheck"] == [["mypy"]]


def test_the_noxfiles_are_python_and_only_one_knows_us() -> None:
    sessions = {"lint": [["ruff", "check", 'a "b"']]}
    host = measured_sessions.on_host(Path("/it's/ü"), sessions)
    container = measured_sessions.in_container(Path("/it's/ü"), sessions)
    compile(host, "host", "exec")
    compile(container, "container", "exec")
    assert "goldi" not in host
    assert 'container_session("in-" + name' in container


def test_the_parts_tell_what_they_have_done() -> None:
    assert measured_sessions.parse_results(f"nox > python\r\npart 3 {DIGEST}\r\npart 4 none\n") == {"3": DIGEST}


def test_of_a_failure_one_line_is_told() -> None:
    ours = "nox > lint\nnox > Session lint aborted: goldi: no program 'ruff'. Lock it.\nnox > Ran 1 session:\n"
    assert measured_sessions.reason(ours) == "no program 'ruff'. Lock it."
    host = (
        "nox > Running session lint\nnox > Program ruff not found.\nnox > Session lint failed.\nnox > * lint: failed\n"
    )
    assert measured_sessions.reason(host) == "Program ruff not found."
    assert (
        measured_sessions.reason("Container x\nError response from daemon: gone\n\n")
        == "Error response from daemon: gone"
    )
    assert measured_sessions.reason("") == ""


def test_without_a_lock_nothing_is_measured(project: Path) -> None:
    with pytest.raises(NotAProject, match=r"has no requirements-dev\.lock"):
        environment.lock(project_settings.load(project, {}))
