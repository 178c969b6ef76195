""".vscode: the tasks name what is there, and their problem matchers read what the tools print.

The recordings in tests/data are of nox sessions on a terminal of 100 columns, with colours and links: ruff 0.17.6 with
RUFF_OUTPUT_FORMAT=concise, mypy 2.4.1, pytest 9.2.0 with pytest-xdist 3.8.0 and --tb=short, Python 3.11.7. In them the
project's directory was made /project, and the libraries' /usr/lib and /venv.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import REPO

pytestmark = pytest.mark.contract

BIN = Path(sys.executable).parent
# What VS Code takes out of a line before it matches: CSI, OSC and other sequences.
ANSI = re.compile(
    r"\x1b\[[=?>!]?[\d;:]*[\"$#'* ]?[a-zA-Z@^`{}|~]|\x1b\].*?(?:\x1b\\|\x07)|\x1b[ #%()*+\-./]?[a-zA-Z0-9|}~@]"
)
FIELDS = ("file", "line", "column", "severity", "code", "message")
Json = Mapping[str, Any]


class Problem(NamedTuple):
    """A row of the Problems panel; line 0 is the file as a whole."""

    file: str
    line: int
    column: int
    severity: str
    message: str
    code: str = ""


def read(name: str) -> Any:
    return json.loads((REPO / ".vscode" / name).read_text(encoding="utf-8"))


def tasks() -> dict[str, Json]:
    return {task["label"]: task for task in read("tasks.json")["tasks"]}


def matchers(label: str) -> list[Json]:
    found = tasks()[label]["problemMatcher"]
    return found if isinstance(found, list) else [found]


def patterns(matcher: Json) -> list[Json]:
    found = matcher["pattern"]
    return found if isinstance(found, list) else [found]


def match(matcher: Json, lines: list[str]) -> Problem | None:
    """What VS Code's matcher makes of as many lines as it has patterns; a message may have several lines."""
    found: dict[str, str] = {}
    for pattern, line in zip(patterns(matcher), lines, strict=True):
        hit = re.search(pattern["regexp"], line)
        if not hit:
            return None
        for field in FIELDS:
            text = hit[pattern[field]] if field in pattern else None
            if text:
                found[field] = f"{found[field]}\n{text}" if field in found else str(text).strip()
    return Problem(
        found["file"],
        int(found.get("line", 0)),
        int(found.get("column", 0)),
        found.get("severity", str(matcher["severity"])),
        found["message"],
        found.get("code", ""),
    )


def problems(label: str, output: str) -> Iterator[Problem]:
    """As VS Code does it: the last lines, longest matcher first; lines that were matched are used up."""
    by_length: dict[int, list[Json]] = {}
    for matcher in matchers(label):
        by_length.setdefault(len(patterns(matcher)), []).append(matcher)
    last: list[str] = []
    for line in output.split("\n"):
        last = [*last, ANSI.sub("", line)][-max(by_length) :]
        candidates = (
            match(matcher, last[-length:])
            for length in sorted(by_length, reverse=True)
            if length <= len(last)
            for matcher in by_length[length]
        )
        found = next((problem for problem in candidates if problem), None)
        if found:
            last = []
            yield found


def recorded(name: str) -> str:
    return (Path(__file__).parent.parent / "data" / f"{name}.txt").read_text(encoding="utf-8")


def errors(file: str, *rows: tuple[int, int, str, str]) -> list[Problem]:
    return [Problem(file, line, column, "error", message, code) for line, column, message, code in rows]


RUFF = [
    *errors(
        "scratch/bears.py",
        (3, 8, "[*] `os` imported but unused", "F401"),
        (7, 5, "Missing docstring in public function", "D103"),
        (11, 7, "Missing docstring in public function", "D103"),
    ),
    *errors(
        "scratch/syntax.py",
        (1, 12, "Expected a parameter or the end of the parameter list", "invalid-syntax"),
        (1, 13, "Expected `)`, found newline", "invalid-syntax"),
    ),
]
MYPY = [
    *errors(
        "scratch/bears.py",
        (8, 12, 'Incompatible return value type (got "int", expected "str")', "return-value"),
        (11, 1, "Function is missing a type annotation", "no-untyped-def"),
        (12, 12, 'Too many arguments for "porridge"', "call-arg"),
        (12, 21, 'Argument 1 to "porridge" has incompatible type "str"; expected "int"', "arg-type"),
        (24, 1, 'No overload variant of "bed" matches argument type "float"', "call-overload"),
    ),
    Problem("scratch/bears.py", 24, 1, "note", "Possible overload variants:"),
    Problem("scratch/bears.py", 24, 1, "note", "def bed(size: int) -> int"),
    Problem("scratch/bears.py", 24, 1, "note", "def bed(size: str) -> str"),
]
NOT_REGISTERED = "'nope' not found in `markers` configuration option"
PYTEST = [
    *errors("tests/test_import.py", (1, 0, "ModuleNotFoundError: No module named 'nonesuch'", "")),
    *errors("/project/tests/test_syntax.py", (1, 0, "SyntaxError: invalid syntax", "")),
    *errors("tests/test_bears.py", (70, 0, "RuntimeError: no chair", "")),
    *errors("/project/tests/test_bears.py", (77, 0, "fixture 'gate' not found", "")),
    *errors(
        "tests/test_bears.py",
        (26, 0, "AssertionError: assert 'too big' == 'just right'", ""),
        (12, 0, "AssertionError: it is cold", ""),
        (21, 0, "AssertionError: bowl", ""),
        (30, 0, "AssertionError: assert {'a': 1, 'b': 2} == {'a': 1, 'b': 3}", ""),
        (40, 0, "KeyError: 'c'", ""),
        (45, 0, 'json.loads("{")\n/usr/lib/python3.11/json/__init__.py:346: in loads', ""),
        (57, 0, "Failed: DID NOT RAISE ValueError", ""),
        (
            49,
            0,
            'return bool(subprocess.run(("false",), check=True)) and True\n'
            "/usr/lib/python3.11/subprocess.py:571: in run",
            "",
        ),
        (63, 0, "KeyError: 'a'", ""),
        (65, 0, "RuntimeError: no a", ""),
    ),
    # pytest names no line for these, and says it twice.
    *errors("tests/test_mark.py", (0, 0, NOT_REGISTERED, ""), (0, 0, NOT_REGISTERED, "")),
]


@pytest.mark.parametrize(
    ("label", "recording", "expected"),
    [
        ("check: lint", "ruff-check", RUFF),
        ("check: pre-commit", "ruff-check", RUFF),
        (
            "check: format",
            "ruff-format",
            [
                *errors("scratch/bears.py", (11, 5, "File would be reformatted", "unformatted")),
                *errors("scratch/syntax.py", (1, 12, RUFF[3].message, "invalid-syntax")),
            ],
        ),
        ("check: types", "mypy-columns", MYPY),
        ("check: types", "mypy", [problem._replace(column=0) for problem in MYPY]),
        ("check: tests", "pytest", PYTEST),
    ],
    ids=["lint", "pre-commit", "format", "types", "types without columns", "tests"],
)
def test_a_matcher_finds_what_was_printed_and_nothing_else(label: str, recording: str, expected: list[Problem]) -> None:
    assert list(problems(label, recorded(recording))) == expected


@pytest.mark.parametrize("label", ["check: lint", "check: format", "check: types", "check: tests"])
def test_a_matcher_leaves_other_lines_alone(label: str) -> None:
    own = {"check: lint": "ruff", "check: format": "ruff", "check: types": "mypy", "check: tests": "pytest"}[label]
    others = [name for name in ("ruff-check", "ruff-format", "mypy", "mypy-columns", "pytest") if own not in name]
    assert [found for name in others for found in problems(label, recorded(name))] == []
    said = "nox > Session tests was successful.\n2026-11-25 10:00:00: error\nAll checks passed!\nE\n"
    assert list(problems(label, said)) == []


def printed(label: str, *argv: str, cwd: Path) -> str:
    """What a tool prints with the variables of a task."""
    environment = os.environ | tasks()[label]["options"]["env"]
    command = (str(BIN / argv[0]), *argv[1:])
    done = subprocess.run(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    return done.stdout


@pytest.mark.parametrize("label", ["check: lint", "check: pre-commit"])
def test_what_hadolint_and_shellcheck_print_is_found_at_its_line(label: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian:13\nRUN cd /tmp && make\nRUN sudo make\n")
    (tmp_path / "Dockerfile.cut").write_text("FROM debian:13\nRUNN make\n")
    (tmp_path / "bears.sh").write_text("#!/bin/sh\necho $1\nbowl=1\n")
    found = [
        (one.file, one.line, one.column, one.severity, one.code)
        for argv in (("hadolint", "Dockerfile"), ("hadolint", "Dockerfile.cut"), ("shellcheck", "bears.sh"))
        for one in problems(label, printed(label, *argv, cwd=tmp_path))
    ]
    assert found == [
        ("Dockerfile", 2, 0, "warning", "DL3003"),
        ("Dockerfile", 3, 0, "error", "DL3004"),
        ("Dockerfile.cut", 2, 4, "error", ""),
        ("bears.sh", 2, 6, "note", "SC2086"),
        ("bears.sh", 3, 1, "warning", "SC2034"),
    ]


def test_tools_are_asked_for_the_lines_that_are_matched() -> None:
    for label in ("check: lint", "check: format", "check: pre-commit"):
        assert tasks()[label]["options"]["env"]["RUFF_OUTPUT_FORMAT"] == "concise"
    assert tasks()["check: tests"]["args"][-1] == "--tb=short"


def test_files_are_found_relative_and_absolute_and_one_owner_has_one_matcher() -> None:
    """A task clears its owner's problems when it starts: lint may not clear what format found."""
    by_owner: dict[str, list[Json]] = {}
    for label in tasks():
        if not tasks()[label]["problemMatcher"]:
            continue
        assert all(found["fileLocation"] == ["autoDetect", "${workspaceFolder}"] for found in matchers(label))
        for owner in {found["owner"] for found in matchers(label)}:
            assert by_owner.setdefault(owner, matchers(label)) == matchers(label)
    assert by_owner.keys() == {"ruff", "ruff format", "hadolint", "shellcheck", "mypy", "pytest"}


def test_build_and_test_have_a_default_and_labels_are_there() -> None:
    groups = {label: task.get("group") for label, task in tasks().items()}
    assert groups["build: production"] == {"kind": "build", "isDefault": True}
    assert groups["check: tests"] == {"kind": "test", "isDefault": True}
    assert len([group for group in groups.values() if isinstance(group, dict)]) == 2
    assert set(tasks()["check: all"]["dependsOn"]) < tasks().keys()


def test_every_task_names_a_goldi_task_and_every_check_a_session() -> None:
    listed = subprocess.run((BIN / "goldi", "--list", "--list-format=json"), cwd=REPO, capture_output=True, check=True)
    names = {
        f"{namespace['name']}.{task['name']}"
        for namespace in json.loads(listed.stdout)["collections"]
        for task in namespace["tasks"]
    }
    listed = subprocess.run((BIN / "nox", "--list"), cwd=REPO, capture_output=True, check=True)
    sessions = set(re.findall(r"^[*-] (\S+)", listed.stdout.decode(), re.MULTILINE))
    called = [task["args"][0] for task in tasks().values() if "dependsOn" not in task]
    assert [name for name in called if name not in names] == []
    checks = {name.removeprefix("ci.") for name in called if name.startswith("ci.")} - {"tools"}
    assert checks - sessions == set()
    assert {task["command"] for task in tasks().values() if "command" in task} == {"${workspaceFolder}/goldi"}


def test_what_the_dev_container_has_is_recommended_outside_too() -> None:
    lines = (REPO / ".devcontainer/devcontainer.json").read_text().splitlines()
    told = json.loads("\n".join(line for line in lines if not line.lstrip().startswith("//")))
    inside = told["customizations"]["vscode"]["extensions"]
    assert set(inside) <= set(read("extensions.json")["recommendations"])
    assert read("settings.json")["python.testing.pytestEnabled"] is True
