"""What a CI runs, and what it is told: plans, reports, and the files that it offers."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from goldi_tasks.ci import check_report, ci_environment, jobs
from goldi_tasks.ci.checks_view import MATCHERS
from goldi_tasks.ci.jobs import Session
from goldi_tasks.ci.parallel import Run, State
from goldi_tasks.ci.run_checks import Outcome
from goldi_tasks.command import Command
from goldi_tasks.errors import NoPermission, UnknownName

LISTED = [
    {"session": "host", "name": "host", "python": None, "tags": []},
    {"session": "precommit", "name": "precommit", "python": None, "tags": []},
    {"session": "tests-3.12", "name": "tests", "python": "3.12", "tags": []},
    {"session": "tests-3.13", "name": "tests", "python": "3.13", "tags": []},
    {"session": "fix", "name": "fix", "python": None, "tags": ["alone"]},
    {"session": "lint", "name": "lint", "python": None, "tags": ["fast"]},
]
KNOWN = jobs.sessions(json.dumps(LISTED))
NOX = jobs.nox(Path("/venv/bin/python"), Path("/project/noxfile.py"))
BUILD = Command(("goldi", "build.prod"))


def outcome(*runs: Run, first: Run | None = None) -> Outcome:
    return Outcome(runs, first, 4.25)


def ran(name: str = "lint", state: State = "passed", said: str = "", **known: object) -> Run:
    built = known.pop("built", {})
    assert isinstance(built, dict)
    code = 3 if state == "failed" else 0
    return Run(jobs.Check(name, Command((name,))), state, 1.0, 2.5, code, said, "", built)


def test_the_usual_sessions_in_their_order_and_for_every_python() -> None:
    assert [one.name for one in jobs.select_sessions(KNOWN, ())] == ["lint", "tests-3.12", "tests-3.13", "precommit"]


@pytest.mark.parametrize(
    ("asked", "names"),
    [(("fix",), ["fix"]), (("tests",), ["tests-3.12", "tests-3.13"]), (("tests-3.13", "tests-3.13"), ["tests-3.13"])],
)
def test_sessions_by_name(asked: tuple[str, ...], names: list[str]) -> None:
    assert [one.name for one in jobs.select_sessions(KNOWN, asked)] == names


def test_a_session_that_is_not_there() -> None:
    with pytest.raises(UnknownName, match=r"no session 'lnt'. Did you mean 'lint'?"):
        jobs.select_sessions(KNOWN, ["lnt"])


def test_what_changes_files_runs_alone_and_last() -> None:
    wanted = jobs.checks(jobs.select_sessions(KNOWN, ["precommit", "lint", "fix", "tests"]), NOX, BUILD, {})
    turns = [[check.name for check in turn] for turn in jobs.turns(wanted)]
    assert turns == [["lint", "tests-3.12", "tests-3.13", "build.prod"], ["precommit"], ["fix"]]


def test_what_is_run() -> None:
    lint, build = jobs.checks([Session("lint", "lint")], NOX, BUILD, {})
    assert str(lint.command) == "/venv/bin/nox --noxfile /project/noxfile.py --session lint"
    assert (build.command, build.build) == (BUILD, True)
    assert [check.name for check in jobs.checks([Session("lint", "lint")], NOX, None, {})] == ["lint"]


@pytest.mark.parametrize(
    ("environ", "formats"),
    [
        ({}, [None, None]),
        ({"GITHUB_ACTIONS": "true"}, ["github", None]),
        ({"GITHUB_ACTIONS": "true", "RUFF_OUTPUT_FORMAT": "full"}, [None, None]),
    ],
)
def test_ruff_annotates_once_on_github(environ: dict[str, str], formats: list[str | None]) -> None:
    wanted = jobs.checks(jobs.select_sessions(KNOWN, ["lint", "precommit"]), NOX, None, environ)
    assert [check.command.env.get("RUFF_OUTPUT_FORMAT") for check in wanted] == formats


def test_a_matrix_of_sessions() -> None:
    rows = jobs.session_matrix(jobs.select_sessions(KNOWN, ["tests", "fix"]))["include"]
    assert rows[1:] == [{"session": "tests-3.13", "python": "3.13"}, {"session": "fix"}]


def test_a_matrix_of_targets_and_platforms() -> None:
    both = ["linux/amd64", "linux/arm64"]
    found = jobs.target_matrix({"target": {"production": {"platforms": both}, "tools": {}, "watch": {"platforms": []}}})
    assert found["include"] == [
        {"target": "production", "platform": "linux/amd64"},
        {"target": "production", "platform": "linux/arm64"},
        {"target": "tools"},
        {"target": "watch"},
    ]


def test_a_junit_file_has_a_case_for_each_check() -> None:
    bad = ran("tests", "failed", "\x1b[31mE  1 < 2 & ]]>\x1b[0m\x00\x08 \ud800\ufffe\r\n")
    text = check_report.junit(outcome(ran(), bad, ran("precommit", "ended"), first=bad))
    suite = ElementTree.fromstring(text.encode())[0]  # noqa: S314 - it is ours
    assert suite.attrib | {"time": ""} == {
        "name": "ci.check",
        "tests": "3",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
        "time": "",
    }
    assert [case.attrib["name"] for case in suite] == ["lint", "tests", "precommit"]
    failure = suite[1][0]
    assert failure.attrib["message"] == "exit code 3"
    assert (failure.text or "").startswith("E  1 < 2 & ]]>\\x00\\x08 \\xd800\\xfffe")
    assert suite[2][0].tag == "skipped"


def test_what_a_build_took_from_caches_is_told_everywhere() -> None:
    build = ran("build.prod", built={"result": "built", "steps": 27, "cached": 25})
    same = ran("build.prod", built={"result": "up to date", "steps": 0, "cached": 0})
    assert (build.cached, same.cached, ran().cached) == ("25 of 27 steps cached", "up to date", "")
    assert "25 of 27 steps cached" in check_report.junit(outcome(build))
    assert "| build.prod | passed | 2.5 s | 25 of 27 steps cached |" in check_report.markdown(outcome(build))
    assert next(check_report.format_results(outcome(build))).endswith("passed      2.5 s  25 of 27 steps cached")
    row = check_report.as_json(outcome(build))["checks"][0]
    assert (row["steps"], row["cached"], row["build"]) == (27, 25, "built")


def test_lines_for_people() -> None:
    bad = ran("typecheck", "failed")
    assert list(check_report.format_results(outcome(ran(), bad, ran("tests", "ended"), first=bad))) == [
        "lint       passed      2.5 s",
        "typecheck  failed      2.5 s  exit code 3",
        "tests      ended       2.5 s",
        "1 of 3 passed, 1 failed, 1 ended, 4.2 s",
    ]
    assert check_report.as_json(outcome(bad, first=bad))["code"] == 3


def test_a_summary_in_markdown_holds_what_a_tool_prints() -> None:
    said = "\n".join(f"line {number}" for number in range(500)) + "\n```\n````html\n<script>\n"
    bad = ran("tests", "failed", said)
    text = check_report.markdown(outcome(bad, first=bad))
    assert text.count("`````") == 2
    assert "line 499" in text
    assert "line 400" not in text
    assert len(check_report.markdown(outcome(ran("tests", "failed", "x" * 3_000_000)))) < 30_000


def test_outputs_of_a_step(tmp_path: Path) -> None:
    file = tmp_path / "output"
    ci_environment.output({"key": "a", "path": "b"}, {"GITHUB_OUTPUT": str(file)})
    ci_environment.output({"matrix": "{}"}, {"GITHUB_OUTPUT": str(file)})
    ci_environment.output({"matrix": "{}"}, {})
    assert file.read_text() == "key=a\npath=b\nmatrix={}\n"
    with pytest.raises(NoPermission, match=r"none/x cannot be written: No such file or directory. Name another file"):
        ci_environment.output({"key": "a"}, {"GITHUB_OUTPUT": str(tmp_path / "none/x")})


def test_files_for_a_summary() -> None:
    github = {"GITHUB_STEP_SUMMARY": "/there"}
    assert ci_environment.summaries("", {}) == []
    assert ci_environment.summaries("", github) == [Path("/there")]
    assert ci_environment.summaries("/mine", github) == [Path("/mine"), Path("/there")]
    assert ci_environment.summaries("/there", github) == [Path("/there")]


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"RUNNER_TEMP": "/runner/temp"}, "/runner/temp/goldi-cache/caches.tar.zst"),
        ({"CI_PROJECT_DIR": "/builds/bears"}, "/builds/bears/.goldi-cache/caches.tar.zst"),
    ],
)
def test_where_a_ci_keeps_files(environ: dict[str, str], place: str) -> None:
    assert ci_environment.archive("bears-1", "", environ) == Path(place)
    assert ci_environment.archive("bears-1", "mine", environ) == Path("mine")


def test_elsewhere_it_is_the_users_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert ci_environment.archive("bears-1", "", {}) == tmp_path / "goldi/ci/bears-1/caches.tar.zst"


def test_the_key_of_an_archive_is_that_of_a_good_one_that_is_there(tmp_path: Path) -> None:
    file = tmp_path / "caches.tar.zst"
    ci_environment.note(file, "one")
    assert ci_environment.saved_key(file) == ""
    file.touch()
    assert ci_environment.saved_key(file) == "one"
    ci_environment.note(file, "")
    ci_environment.note(file, "")
    assert ci_environment.saved_key(file) == ""


MYPY = "goldi_tasks/process.py:8: error: Incompatible return value type  [return-value]"


@pytest.mark.parametrize(
    ("owner", "line", "found"),
    [
        ("mypy", MYPY, ("goldi_tasks/process.py", "8")),
        ("mypy", "tests/x.py:8:12: error: No  [misc]", ("tests/x.py", "8")),
        ("mypy", "goldi_tasks/process.py:8: note: See", None),
        ("pytest", "tests/test_x.py:12: AssertionError", ("tests/test_x.py", "12")),
        ("pytest", "tests/test_x.py:12: KeyError", ("tests/test_x.py", "12")),
        ("pytest", "tests/test_x.py:12: in test_x", None),
        ("pytest", "tests/test_x.py:12: ", None),
        (
            "hadolint",
            "infrastructure/docker/Dockerfile:7 DL3006 warning: Always tag",
            ("infrastructure/docker/Dockerfile", "7"),
        ),
        ("hadolint", "nox > Session lint was successful.", None),
    ],
)
def test_patterns_that_github_reads_tools_with(owner: str, line: str, found: tuple[str, str] | None) -> None:
    matchers = {one["owner"]: one["pattern"][0] for one in json.loads(MATCHERS.read_text())["problemMatcher"]}
    pattern = matchers[f"goldi-{owner}"]
    hit = re.search(pattern["regexp"], line)
    assert (hit and (hit[pattern["file"]], hit[pattern["line"]])) == found
