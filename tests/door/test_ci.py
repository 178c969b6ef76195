"""`ci.check`, `ci.matrix` and `ci.cache-*` from the command line, over sessions of real nox."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.door.conftest import BIN, Stage, one_sentence

pytestmark = pytest.mark.door

# `meet` ends once the other one has begun; `alone` looks whether anything else runs.
NOXFILE = """\
import os
import time
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"


def meet(mine: str, other: str) -> None:
    Path(mine).touch()
    for _ in range(1000):
        if Path(other).exists():
            return
        time.sleep(0.01)
    raise SystemExit(f"{other} has not begun")


@nox.session
def lint(session):
    session.run("sh", "-c", "echo linted as ${RUFF_OUTPUT_FORMAT:-ever}", external=True)
    meet("lint.began", "tests.began")
    Path("lint.ended").touch()


@nox.session
def tests(session):
    meet("tests.began", "lint.began")
    session.run("sh", "-c", "echo first; sleep 0.2; echo last; exit $CODE", external=True)


@nox.session
def precommit(session):
    session.run("sh", "-c", "echo hooks as ${RUFF_OUTPUT_FORMAT:-ever}; test -e lint.ended", external=True)


@nox.session(default=False)
def wrong(session):
    session.run("sh", "-c", "exit 7", external=True)


@nox.session(default=False)
def slow(session):
    session.run("sh", "-c", "echo $$ >pid.new; mv pid.new pid; exec sleep 60", external=True)
"""


@pytest.fixture
def checks(stage: Stage) -> Stage:
    """A project with a noxfile, and a builder that builds at once."""
    (stage.project / "noxfile.py").write_text(NOXFILE)
    stage.docker.answer("image inspect", stdout="sha256:0123456789ab\n")
    stage.env |= {"PATH": f"{stage.docker.folder}:/usr/bin:/bin", "XDG_STATE_HOME": f"{stage.env['HOME']}/state"}
    stage.env |= {"CODE": "0"}
    return stage


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def slow_pid(stage: Stage) -> int:
    deadline = time.monotonic() + 20
    while not (stage.project / "pid").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int((stage.project / "pid").read_text())


def test_all_of_it_side_by_side_and_what_changes_files_alone(checks: Stage) -> None:
    done = checks.goldi("ci.check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("checks: lint; tests; precommit, alone; build.prod\n")
    assert "first\nlast\n" in done.stdout
    assert "linted as ever" in done.stdout
    rows = [line.split()[:2] for line in done.stdout.splitlines()[-5:-1]]
    assert rows == [[name, "passed"] for name in ("lint", "tests", "precommit", "build.prod")]
    assert done.stdout.splitlines()[-1].startswith("4 of 4 passed, ")
    assert checks.docker.only("bake")["argv"][-1] == "production"


def test_what_came_of_it_in_every_form(checks: Stage, tmp_path: Path) -> None:
    checks.env["CODE"] = "5"
    summary, github = tmp_path / "mine.md", tmp_path / "github.md"
    github.write_text("before\n")
    checks.env["GITHUB_STEP_SUMMARY"] = str(github)
    done = checks.goldi("ci.check", "--json", "--junit", "out.xml", "--summary", str(summary))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "goldi: tests failed. See its output above."
    told = json.loads(done.stdout)
    assert (told["result"], told["code"]) == ("failed", 1)
    assert {row["name"]: row["result"] for row in told["checks"]} == {
        "lint": "passed",
        "tests": "failed",
        "precommit": "passed",
        "build.prod": "passed",
    }
    assert told["checks"][-1]["build"] == "built"
    suite = ElementTree.parse(checks.project / "out.xml").getroot()[0]  # noqa: S314 - it is ours
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("4", "1")
    assert "first\nlast" in (suite.find("testcase[@name='tests']/failure").text or "")  # type: ignore[union-attr]
    assert "| tests | failed |" in summary.read_text()
    assert github.read_text() == "before\n" + summary.read_text()


def test_a_build_that_fails_gives_its_exit_code(checks: Stage) -> None:
    checks.docker.answer("buildx bake", code=9, stderr="ERROR: from buildx\n")
    done = checks.goldi("ci.check", "--session", "lint", "--session", "tests")
    assert done.returncode == 9
    assert "ERROR: from buildx" in done.stdout
    assert done.stderr.splitlines() == ["goldi: build.prod failed. See its output above."]


def test_fail_fast_ends_the_others_and_begins_nothing_more(checks: Stage) -> None:
    done = checks.goldi("ci.check", "--no-build", "--fail-fast", "--session", "slow", "-s", "wrong", "-s", "precommit")
    assert done.returncode == 1
    rows = [line.split()[:2] for line in done.stdout.splitlines()[-4:-1]]
    assert rows == [["slow", "ended"], ["wrong", "failed"], ["precommit", "ended"]]
    assert "hooks as" not in done.stdout


def test_ctrl_c_ends_all_that_was_begun(checks: Stage) -> None:
    argv = (str(BIN / "goldi"), "ci.check", "--no-build", "--session", "slow", "--session", "precommit")
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=checks.project, env=checks.env, stdout=pipe, stderr=pipe, text=True) as process:
        pid = slow_pid(checks)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == "goldi: interrupted.\n"
    assert gone(pid)


def on_a_terminal(stage: Stage, *arguments: str, interrupted: bool = False) -> tuple[int, str]:
    """The exit code and what a terminal shows."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(stage.project)
        os.execve(BIN / "goldi", ["goldi", *arguments], stage.env | {"TERM": "xterm"})  # noqa: S606 - as a shell does
    said = b""
    while select.select([terminal], [], [], 30)[0]:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        said += data
        if interrupted and (stage.project / "pid").exists():
            interrupted = False
            os.write(terminal, b"\x03")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()


def test_a_live_table_on_a_terminal_and_the_output_of_what_failed(checks: Stage) -> None:
    checks.env["CODE"] = "5"
    code, said = on_a_terminal(checks, "ci.check", "--no-build")
    assert code == 1
    assert re.search(r"✓\S* +\S*lint", said)
    assert "checks  " in said
    assert re.search("=== tests: failed, .*first\r\nlast\r\n", said, re.DOTALL)
    assert "hooks as ever" not in said.rpartition("=== tests")[2].replace("nox > ", "")
    assert said.endswith("goldi: tests failed. See its output above.\r\n")


def test_ctrl_c_on_a_terminal(checks: Stage) -> None:
    code, said = on_a_terminal(checks, "ci.check", "--no-build", "--session", "slow", interrupted=True)
    assert code == 130
    assert "goldi: interrupted." in said
    assert "Traceback" not in said
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l"), "the cursor is not shown again"
    assert gone(int((checks.project / "pid").read_text()))


def test_on_github_what_passed_is_folded_and_tools_annotate(checks: Stage) -> None:
    checks.env |= {"CODE": "5", "GITHUB_ACTIONS": "true"}
    done = checks.goldi("ci.check", "--no-build")
    lines = done.stdout.splitlines()
    matchers = Path(next(line for line in lines if line.startswith("::add-matcher::")).removeprefix("::add-matcher::"))
    assert json.loads(matchers.read_text())["problemMatcher"]
    assert "linted as github" in lines
    assert "hooks as ever" in lines
    assert any(line.startswith("::group::lint: passed") for line in lines)
    assert any(line.startswith("=== tests: failed") for line in lines)


def test_dry_prints_what_would_be_run(checks: Stage) -> None:
    done = checks.goldi("--dry", "ci.check")
    lines = done.stdout.splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == ["lint", "tests", "brief", "precommit"]
    assert not (checks.project / "lint.began").exists()
    assert checks.docker.calls == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("ci.check", "--session", "lnt"), 5, "the noxfile has no session 'lnt'. Did you mean 'lint'?"),
        (("ci.check", "--junit", "no/such.xml"), 12, "no/such.xml cannot be written: No such file or directory."),
        (("ci.check", "--junit", "pyproject.toml"), 5, "pyproject.toml exists and is not a JUnit report. Use --yes"),
        (("ci.matrix", "--kind", "target"), 5, "no kind of matrix 'target'. Did you mean 'targets'?"),
        (("ci.matrix", "--name", "lnt"), 5, "the noxfile has no session 'lnt'. Did you mean 'lint'?"),
        (("ci.matrix", "--kind", "targets", "--name", "prodution"), 5, "Did you mean 'production'?"),
    ],
)
def test_mistakes(checks: Stage, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = checks.goldi(*arguments)
    assert done.returncode == code
    assert said in one_sentence(done)
    assert not (checks.project / "lint.began").exists()


def test_a_noxfile_without_a_usual_session(checks: Stage) -> None:
    (checks.project / "noxfile.py").write_text("import nox\n\n\n@nox.session\ndef other(session): ...\n")
    done = checks.goldi("ci.check", "--no-build")
    assert (done.returncode, one_sentence(done)) == (
        5,
        "goldi: the noxfile has none of lint, typecheck, tests, precommit. Name sessions with --session.",
    )


def test_a_noxfile_that_cannot_be_read(checks: Stage) -> None:
    (checks.project / "noxfile.py").write_text("lint = \n")
    done = checks.goldi("ci.check")
    assert done.returncode == 1
    assert one_sentence(done).endswith("/noxfile.py: SyntaxError: invalid syntax. Run `nox --list` to see where.")


def test_matrices_and_where_github_takes_them_from(checks: Stage, tmp_path: Path) -> None:
    checks.env["GITHUB_OUTPUT"] = str(tmp_path / "output")
    sessions = {"include": [{"session": "lint"}, {"session": "tests"}, {"session": "precommit"}]}
    assert json.loads(checks.goldi("ci.matrix").stdout) == sessions
    assert json.loads((tmp_path / "output").read_text().removeprefix("matrix=")) == sessions
    assert json.loads(checks.goldi("ci.matrix", "--name", "slow").stdout) == {"include": [{"session": "slow"}]}
    shown = {"target": {"production": {"platforms": ["linux/amd64", "linux/arm64"]}, "tools": {}}}
    checks.docker.answer("buildx print", stdout=json.dumps(shown))
    found = json.loads(checks.goldi("ci.matrix", "--kind", "targets").stdout)
    assert found["include"][1:] == [{"target": "production", "platform": "linux/arm64"}, {"target": "tools"}]


@pytest.fixture
def kept(checks: Stage, tmp_path: Path) -> Stage:
    """A step on GitHub, of a project that has something to keep."""
    checks.env |= {"RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": str(tmp_path / "output")}
    assert checks.goldi("cache.setup").returncode == 0
    folder = next(path for path in checks.caches.glob("ruff-cache/*") if path.is_dir())
    (folder / "found").write_text("porridge")
    return checks


def test_caches_from_run_to_run(kept: Stage, tmp_path: Path) -> None:
    done = kept.goldi("ci.cache-key")
    key = done.stdout.strip()
    given = dict(line.split("=", 1) for line in (tmp_path / "output").read_text().splitlines())
    assert given == {"key": key, "restore-keys": key[:-16], "path": str(tmp_path / "goldi-cache")}
    assert key.startswith(given["restore-keys"])

    done = kept.goldi("ci.cache-restore")
    assert (done.returncode, done.stdout.startswith("no caches to restore: ")) == (0, True)
    done = kept.goldi("ci.cache-save")
    assert done.returncode == 0, done.stderr
    assert "ruff-cache" in done.stdout
    archive = tmp_path / "goldi-cache/caches.tar.zst"
    saved = archive.stat().st_mtime_ns

    next(kept.caches.glob("ruff-cache/*/found")).unlink()
    done = kept.goldi("ci.cache-restore")
    assert (done.returncode, done.stderr) == (0, "")
    assert next(kept.caches.glob("ruff-cache/*/found")).read_text() == "porridge"
    done = kept.goldi("ci.cache-save")
    assert done.stdout.startswith("nothing to save: ")
    assert archive.stat().st_mtime_ns == saved

    (kept.project / "requirements.lock").write_text("# another\n")
    assert "ruff-cache" in kept.goldi("ci.cache-save").stdout
    assert archive.stat().st_mtime_ns > saved


@pytest.mark.parametrize("github", [True, False])
def test_a_damaged_archive_costs_a_warning_and_is_saved_anew(kept: Stage, tmp_path: Path, github: bool) -> None:
    kept.env |= {"GITHUB_ACTIONS": "true"} if github else {}
    assert kept.goldi("ci.cache-save").returncode == 0
    archive = tmp_path / "goldi-cache/caches.tar.zst"
    archive.write_bytes(archive.read_bytes()[:-40])
    done = kept.goldi("ci.cache-restore")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith(
        "::warning::goldi: going on" if github else "goldi: going on without"
    )
    assert "ruff-cache" in kept.goldi("ci.cache-save").stdout
    assert kept.goldi("ci.cache-restore").stdout.splitlines()[-1].startswith("all")


def test_an_archive_by_its_name(kept: Stage) -> None:
    assert kept.goldi("ci.cache-save", "--file", "there/mine.tar.zst").returncode == 0
    assert (kept.project / "there/mine.tar.zst").is_file()
    assert "ruff-cache" in kept.goldi("ci.cache-restore", "--file", "there/mine.tar.zst").stdout


@pytest.mark.parametrize("name", ["cache-save", "cache-restore"])
def test_dry_touches_no_cache(kept: Stage, tmp_path: Path, name: str) -> None:
    done = kept.goldi("--dry", f"ci.{name}")
    assert (done.returncode, done.stdout.startswith("would ")) == (0, True)
    assert not (tmp_path / "goldi-cache").exists()
