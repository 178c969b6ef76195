"""`nox -s lint` from the command line to docker's arguments, where no container can come of it, and without any."""

import json
import re
import subprocess
import venv
from pathlib import Path

import pytest

from goldi_tasks import sessions
from goldi_tasks.checks import agent, check_arguments
from tests.door.conftest import BIN, Stage, one_sentence
from tests.door.test_mistakes import NO_ENGINE, NO_PERMISSION
from tests.recording import INFO
from tests.test_cache_dirs import may_give

pytestmark = pytest.mark.door

NOXFILE = """\
from goldi_tasks.sessions import container_session

lint = container_session("lint", "ruff", "check")
say = container_session("say", "sh", "-c", "echo said by $0 {posargs}; exit $CODE", "{posargs}")
where = container_session("where", "python", "-c", "import sys; print(sys.prefix)")
"""


@pytest.fixture
def checks(stage: Stage) -> Stage:
    """A project with a noxfile, and an engine that builds its tools image at once."""
    (stage.project / "noxfile.py").write_text(NOXFILE)
    stage.docker.answer("image inspect", stdout="sha256:0123456789ab\n")
    stage.env |= {"PATH": f"{stage.docker.folder}:/usr/bin:/bin", "XDG_STATE_HOME": f"{stage.env['HOME']}/state"}
    return stage


def nox(stage: Stage, *arguments: str, code: int = 1) -> str:
    """What nox says; of a session that took more than a second it tells how long, in place of a full stop."""
    done: subprocess.CompletedProcess[str] = stage.run(str(BIN / "nox"), *arguments)
    # What takes more than a second, as on a busy machine, nox says so of.
    said = re.sub(r" \(took [^)]*\)", "", done.stdout + done.stderr)
    assert done.returncode == code, said
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NO_ENGINE, "goldi: no Docker engine answers. Start it, or run `goldi engine.up`"),
        (NO_PERMISSION, "goldi: the Docker engine's socket may not be used by this user. Add yourself to the docker"),
    ],
)
def test_without_an_engine(checks: Stage, error: str, said: str) -> None:
    checks.docker.answer("info", stdout=json.dumps({"ServerErrors": [error]}), code=1)
    assert f"Session lint aborted: {said}" in nox(checks, "-s", "lint")


def test_a_build_that_fails(checks: Stage) -> None:
    checks.docker.answer("buildx bake", code=3, stderr="ERROR: from buildx\n")
    said = nox(checks, "-s", "lint")
    assert "ERROR: from buildx" in said
    assert "Session lint aborted: goldi: docker buildx ended with exit code 3" in said
    assert not [argv for argv in checks.docker.calls if argv[0] in ("run", "exec")]


DAEMON = "docker: Error response from daemon: "


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("mkdir /var/lib/docker/1: no space left on device.", "goldi: the disk is full: no tools container can"),
        (
            "invalid mount config: bind source path does not exist: /x y/z.\nSee 'docker run --help'.",
            "goldi: the engine does not see /x y/z. Share it with the VM",
        ),
        ("No such image: sha256:0123456789ab", "goldi: the tools image was removed: "),
        (
            "something else.\n\nRun 'docker run --help' for more information",
            f"goldi: no tools container can be started: docker run: {DAEMON}something else. See `docker info`, or",
        ),
    ],
)
def test_a_container_that_cannot_be_started(checks: Stage, error: str, said: str) -> None:
    checks.docker.answer("run", code=125, stderr=DAEMON + error)
    assert f"Session lint aborted: {said}" in nox(checks, "-s", "lint")


def test_the_container_is_started_for_this_project_and_this_user(checks: Stage) -> None:
    checks.docker.answer("run", code=125, stderr="no")
    nox(checks, "-s", "lint")
    found = checks.docker.only("run")["argv"]
    assert any(f"source={checks.project}" in word for word in found)
    assert "sha256:0123456789ab" in found


@pytest.mark.skipif(not may_give(), reason="only root with his capabilities can give files away")
def test_under_sudo_a_check_runs_as_who_called_it_and_shares_a_directory_of_his(checks: Stage) -> None:
    """Without capabilities root in a container cannot enter the user's caches, nor write to his files."""
    checks.env |= {"SUDO_UID": "4242", "SUDO_GID": "4243"}
    checks.docker.answer("run", code=125, stderr="no")
    nox(checks, "-s", "lint")
    found = checks.docker.only("run")["argv"]
    assert found[found.index("--user") + 1] == "4242:4243"
    (shared,) = (path for path in Path(checks.env["XDG_STATE_HOME"]).glob("goldi/checks/*") if path.is_dir())
    made = [shared, *shared.iterdir()]
    assert len(made) > 3
    assert {path.stat().st_uid for path in made} == {4242}


NAMED: dict[str, str | None] = {
    "DATABASE_URL": 'postgres://me:it\'s "$(hush)" `x`@db/ü?a=b',
    "PYTHONPATH": ".",
    "LINES_": "one\n two=2\n\n",
    "EMPTY": "",
    "HOME": "/nowhere",
    "GOLDI_IMAGE": "mine",
    "PIP_INDEX_URL": "http://mine",
    "RUFF_CACHE_DIR": "/mine",
    "odd.name-1": "dots",
    "LATIN": "\udce9",
    "IFS": "x",
    "TAKEN": None,
    "odd.taken": None,
}
SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


def test_what_a_noxfile_names_is_unpacked_as_written(tmp_path: Path) -> None:
    script = Path(sessions.__file__).parent / "checks/run-with-env.sh"
    env = {
        "PATH": "/usr/bin:/bin",
        "TAKEN": "by the image",
        **check_arguments.pack_variables({**NAMED, "PATH": "/mine", "PYTEST_ADDOPTS": "-q"}),
    }
    argv = ("sh", str(script), "python3", "-c", SHOW)
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True, cwd=tmp_path)
    found = json.loads(done.stdout)
    assert {name: found.get(name) for name in NAMED} == NAMED
    assert found["PATH"] == "/usr/bin:/bin:/mine", "as nox does: its environments' programs come first"
    assert found["PYTEST_ADDOPTS"] == "-o cache_dir=/cache/pytest -q"
    assert not {"GOLDI_ENV", "GOLDI_ODD"} & found.keys()


@pytest.mark.parametrize("where", [{"GOLDI_RUN": "host"}, {"GOLDI_INSIDE": "tools"}])
def test_without_a_container_it_arrives_too(checks: Stage, where: dict[str, str]) -> None:
    (checks.project / "requirements-dev.lock").touch()
    # Some Pythons set it themselves.
    (checks.project / "noxfile.py").write_text(
        "from goldi_tasks.sessions import container_session\n"
        f"NAMED = {NAMED!r}\n"
        f"container_session('show', 'python3', '-c', {SHOW!r}, env=NAMED)\n"
    )
    # The session's environment, as an earlier run with this lock left it.
    environment = checks.project / ".nox/show"
    venv.create(environment, symlinks=True)
    (environment / "goldi.lock").touch()
    checks.env |= {**where, "TAKEN": "by the caller"}
    said = nox(checks, "-s", "show", code=0)
    found = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    assert {name: found.get(name) for name in NAMED} == NAMED


def test_a_name_that_is_goldis_own_is_one_sentence(checks: Stage) -> None:
    with (checks.project / "noxfile.py").open("a") as file:
        file.write("container_session('own', 'true', env={'GOLDI_JOB': 'x'})\n")
    assert "goldi: the variable GOLDI_JOB is goldi's own. Correct `env`" in nox(checks, "-s", "own")


@pytest.mark.parametrize("code", [0, 3])
def test_already_inside_the_bare_tool_runs(checks: Stage, code: int) -> None:
    checks.env |= {"GOLDI_INSIDE": "tools", "CODE": str(code)}
    said = nox(checks, "-s", "say", "--", "a or b", code=min(code, 1))
    assert "said by a or b" in said
    assert checks.docker.calls == []
    assert ("failed with exit code 3" in said) == (code == 3)


def test_on_the_host_the_lock_is_installed_once(checks: Stage) -> None:
    checks.env["GOLDI_RUN"] = "host"
    lock = checks.project / "requirements-dev.lock"
    assert "requirements-dev.lock. Make it with `uv pip compile" in nox(checks, "-s", "where")
    lock.write_text("# nothing is needed\n")
    first = nox(checks, "-s", "where", code=0)
    assert str(checks.project / ".nox/where") in first
    assert "pip install" in first
    assert "pip install" not in nox(checks, "-s", "where", code=0)
    lock.write_text("# nothing again\n")
    assert "pip install" in nox(checks, "-s", "where", code=0)
    assert checks.docker.calls == []


def test_a_setting_that_is_wrong_is_told_when_a_check_runs(checks: Stage) -> None:
    checks.env["GOLDI_RUN"] = "elsewhere"
    assert "GOLDI_RUN must be 'container' or 'host', not 'elsewhere'" in nox(checks, "-s", "lint")
    assert "lint" in nox(checks, "--list", code=0)


def test_ci_tasks_are_the_noxfiles_sessions(checks: Stage) -> None:
    checks.env |= {"GOLDI_INSIDE": "tools", "CODE": "0"}
    done = checks.goldi("ci.session", "say", "--", "a or b")
    assert done.returncode == 0, done.stderr
    assert "said by a or b" in done.stdout
    done = checks.goldi("ci.typecheck")
    assert done.returncode == 3
    assert "Sessions not found: typecheck" in done.stderr
    assert done.stderr.splitlines()[-1] == "goldi: nox ended with exit code 3."


def test_ci_tasks_without_a_noxfile(stage: Stage) -> None:
    done = stage.goldi("ci.lint")
    assert done.returncode == 4
    assert one_sentence(done).endswith("Create it with a session for each check, see `container_session`.")


@pytest.mark.parametrize("option", [(), ("--json",), ("--stop",)])
def test_ci_tools_without_an_engine(stage: Stage, option: tuple[str, ...]) -> None:
    stage.docker.answer("ps", code=1, stderr=NO_ENGINE)
    stage.docker.answer("info", stdout=json.dumps(INFO | {"ServerErrors": [NO_ENGINE]}), code=1)
    done = stage.goldi("ci.tools", *option)
    assert done.returncode == 11
    assert one_sentence(done) == "goldi: no Docker engine answers. Start it, or run `goldi engine.up`."


def test_a_noxfile_is_found_from_below(checks: Stage) -> None:
    checks.env |= {"GOLDI_INSIDE": "tools", "CODE": "0"}
    folder = Path(checks.project / "below")
    folder.mkdir()
    assert checks.goldi("ci.session", "say", "--", "x", cwd=folder).returncode == 0


def test_a_state_directory_that_cannot_be_made(checks: Stage) -> None:
    (checks.project / "file").touch()
    checks.env["XDG_STATE_HOME"] = str(checks.project / "file")
    said = nox(checks, "-s", "lint")
    assert f"goldi: {checks.project}/file cannot be used: Not a directory. Set XDG_STATE_HOME to another." in said


def test_the_agent_finds_programs_below_the_directory_of_the_check(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "run.sh").chmod(0o755)
    env = {"PATH": "/usr/bin:/bin"}
    assert agent.has_program("./run.sh", env, str(tmp_path))
    assert not agent.has_program("run.sh", env, str(tmp_path))
    assert agent.has_program("run.sh", env | check_arguments.pack_variables({"PATH": "."}), str(tmp_path))
