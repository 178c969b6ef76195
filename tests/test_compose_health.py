"""Which health checks count, and why a service does not start."""

from datetime import datetime
from typing import Any

import pytest

from goldi_tasks.compose import health, service_failure

START = "2026-11-27T06:00:00.123456789Z"


def inspected(status: str, *checks: tuple[str, int], state: str = "running", started: str = START) -> dict[str, Any]:
    """What `docker inspect` says: checks by the time of the day at which they ran, with their exit codes."""
    log = [
        {"Start": f"2026-11-27T{time}.5+01:00", "End": f"2026-11-27T{time}.6+01:00", "ExitCode": code, "Output": "a\nb"}
        for time, code in checks
    ]
    return {
        "Id": "id",
        "State": {"Status": state, "StartedAt": started, "Health": {"Status": status, "Log": log}},
        "Config": {"Healthcheck": {"Retries": 2}},
    }


OLD, NEW, NEWER = ("06:59:59", 1), ("07:00:10", 1), ("07:00:20", 1)
GOOD = ("07:00:20", 0)


@pytest.mark.parametrize(
    ("row", "word", "output"),
    [
        (inspected("healthy", NEW, GOOD), "healthy", "a b"),
        # Docker waits for more failures; what is said is what the last check says.
        (inspected("healthy", GOOD, NEWER), "unhealthy", "a b"),
        (inspected("unhealthy", NEW, NEWER), "unhealthy", "a b"),
        (inspected("starting", NEW), "starting", "a b"),
        (inspected("unhealthy", OLD), "starting", ""),
        (inspected("healthy", OLD), "starting", ""),
        (inspected("unhealthy", NEW, state="exited"), "exited", ""),
        (inspected("none"), "running", ""),
        ({**inspected("none"), "State": {"Status": "running", "StartedAt": START}}, "running", ""),
        ({**inspected("none"), "State": {"Status": "created", "StartedAt": "0001-01-01T00:00:00Z"}}, "created", ""),
    ],
)
def test_the_last_check_since_the_start_decides(row: dict[str, Any], word: str, output: str) -> None:
    found = health.parse(row)
    assert (found.summary, found.output) == (word, output)


@pytest.mark.parametrize(
    ("row", "since", "unhealthy"),
    [
        (inspected("unhealthy", NEW, NEWER), "07:00:00", True),
        (inspected("unhealthy", NEW, NEWER), "07:00:15", False),
        (inspected("unhealthy", NEW, NEWER), "07:00:30", False),
        (inspected("healthy", NEW, GOOD), "07:00:00", False),
        (inspected("starting", NEW), "07:00:00", False),
        # It was started after that: Docker's verdict is of this run.
        (inspected("unhealthy", NEWER, started="2026-11-27T06:00:15Z"), "07:00:12", True),
    ],
)
def test_an_old_unhealthy_is_no_verdict(row: dict[str, Any], since: str, unhealthy: bool) -> None:
    moment = datetime.fromisoformat(f"2026-11-27T{since}+01:00")
    assert health.parse(row).is_unhealthy_since(moment) is unhealthy


TRACE = """\
INFO: starting
Traceback (most recent call last):
  File "/venv/lib/python3.13/site-packages/uvicorn/importer.py", line 19, in import_from_string
    module = importlib.import_module(module_str)
  File "/app/goldilocks/app.py", line 13, in <module>
    from goldilocks.bowls import make_router
  File "<frozen importlib._bootstrap>", line 1
{error}
tini: the child ended
"""


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            TRACE.format(error="ModuleNotFoundError: No module named 'x'"),
            "ModuleNotFoundError: No module named 'x' (/app/goldilocks/app.py, line 13)",
        ),
        (
            TRACE.format(error="pydantic.ValidationError: 1 error\nurl\n  missing"),
            "pydantic.ValidationError: 1 error (/app/goldilocks/app.py, line 13)",
        ),
        (
            '  File "/app/bowls.py", line 3\n    def (\n        ^\nSyntaxError: invalid syntax\n',
            "SyntaxError: invalid syntax (/app/bowls.py, line 3)",
        ),
        ("FATAL: no porridge\n\n", "FATAL: no porridge"),
        ("", ""),
    ],
)
def test_the_error_that_ended_a_program(text: str, error: str) -> None:
    assert service_failure.last_error(text.splitlines()) == error


def test_what_the_development_server_says() -> None:
    lines = ["serve: error: KeyError: 'x' (app.py, line 1)", "INFO: Finished server process"]
    assert service_failure.serve_error(lines) == "KeyError: 'x' (app.py, line 1)"
    assert service_failure.serve_error([*lines, "serve: app.py changed", "INFO: Started"]) == ""
    assert service_failure.serve_error(["INFO: Started"]) == ""
