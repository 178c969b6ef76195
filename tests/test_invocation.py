"""The command that was typed, in messages."""

import pytest

from goldi_tasks.errors import NoEngine
from goldi_tasks.invocation import VARIABLE, as_typed, typed_command


@pytest.mark.parametrize(
    ("program", "environ", "typed"),
    [
        ("/venv/bin/inv", {}, "inv"),
        ("/venv/bin/invoke", {}, "inv"),
        ("/venv/bin/goldi", {}, "goldi"),
        ("/venv/bin/nox", {}, "goldi"),
        ("/venv/lib/invoke/__main__.py", {}, "inv"),
        ("/venv/bin/goldi", {VARIABLE: "./goldi"}, "./goldi"),
        ("/venv/bin/goldi", {VARIABLE: "/my work/goldi"}, "'/my work/goldi'"),
        ("/venv/bin/nox", {VARIABLE: "inv"}, "inv"),
        ("/venv/bin/goldi", {VARIABLE: ""}, "goldi"),
    ],
)
def test_the_command_that_was_typed(program: str, environ: dict[str, str], typed: str) -> None:
    assert typed_command(program, environ) == typed


def test_a_message_names_tasks_as_they_were_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "../goldi")
    assert as_typed("see `inv cache.status`, or `inv -l`; invoke `it`") == (
        "see `../goldi cache.status`, or `../goldi -l`; invoke `it`"
    )
    error = NoEngine("no engine answers", "Run `inv engine.up`")
    assert (str(error), error.remedy) == ("no engine answers. Run `../goldi engine.up`.", "Run `../goldi engine.up`")
