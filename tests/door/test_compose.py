"""The stack's tasks with a docker that records how it is called."""

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks.compose.containers import FIELDS
from tests.conftest import REPO
from tests.door.conftest import BIN, Stage, one_sentence, ready
from tests.recording import Recording

pytestmark = pytest.mark.door

ALL = "compose --profile * config"
SERVICES: dict[str, Any] = {
    "web": {"image": "bears:latest", "profiles": ["dev"], "ports": [{"target": 80, "published": "8000"}]},
    "db": {"image": "postgres:17", "profiles": ["prod"]},
}
CONFIG = {"name": "bears", "services": SERVICES, "volumes": {}}
NO_ENGINE = {"ServerErrors": ["Cannot connect to the Docker daemon at unix:///var/run/docker.sock."]}


@pytest.fixture
def stack(stage: Stage) -> Stage:
    (stage.project / "compose.yaml").write_text("services: {}\n")
    stage.docker.answer(ALL, stdout=json.dumps(CONFIG))
    stage.docker.answer("ps", stdout=row(stage, "web", "Up 2 seconds (healthy)"))
    return stage


def row(stage: Stage, service: str, status: str) -> str:
    """A line of `docker ps` in our format."""
    state = "running" if status.startswith("Up") else "exited"
    fields = (
        "id",
        f"bears-{service}-1",
        state,
        status,
        "bears:latest",
        ":8000->80/tcp",
        "bears",
        service,
        stage.project,
    )
    assert len(fields) == len(FIELDS) - 1
    return "\t".join([*map(str, fields), "False"]) + "\n"


def ran(stage: Stage, *words: str) -> list[list[str]]:
    return [argv for argv in stage.docker.calls if all(word in argv for word in words)]


def test_up_is_one_compose_up_that_builds_nothing(stack: Stage) -> None:
    done = stack.goldi("compose.up")
    assert done.returncode == 0, done.stderr
    assert "web  healthy   http://127.0.0.1:8000" in done.stdout
    (argv,) = ran(stack, "up")
    assert argv == ["compose", "--profile", "dev", "up", "--detach", "--no-build", "--remove-orphans"]
    env = (stack.project / "infrastructure/docker/.env").read_text()
    assert f"GOLDI_CACHE_ROOT='{stack.caches}'" in env


def test_up_for_scripts_and_dry(stack: Stage) -> None:
    (told,) = json.loads(stack.goldi("compose.up", "--json").stdout)
    assert (told["service"], told["health"], told["urls"]) == ("web", "healthy", ["http://127.0.0.1:8000"])
    before = len(ran(stack, "up"))
    dry = stack.goldi("--dry", "compose.up", "--anew")
    assert "docker compose --profile dev up --detach --no-build --remove-orphans --force-recreate" in dry.stdout
    assert len(ran(stack, "up")) == before
    assert (
        "docker compose --profile '*' down --remove-orphans" in stack.goldi("--dry", "compose.down", "--volumes").stdout
    )
    assert not ran(stack, "down")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("compose.up", "--profile", "devv"), "no service has the profile 'devv'. Did you mean 'dev'?"),
        (("compose.up", "--service", "wbe"), "there is no service 'wbe'. Did you mean 'web'?"),
        (("compose.up", "--timeout", "0"), "--timeout must be greater than 0."),
        (("compose.logs", "--service", "wbe"), "there is no service 'wbe'."),
        (("compose.run",), "no command after --."),
        (("compose.health", "--profile", "prd"), "no service has the profile 'prd'."),
    ],
)
def test_what_is_misspelt_is_told_and_nothing_runs(stack: Stage, arguments: tuple[str, ...], said: str) -> None:
    done = stack.goldi(*arguments)
    assert done.returncode == 5
    assert said in one_sentence(done)
    assert not ran(stack, "up")


def test_exec_goes_round_compose_and_gives_the_commands_own_exit_code(stack: Stage) -> None:
    stack.docker.answer("exec", code=7, stdout="inside\n")
    done = stack.goldi("compose.exec", "web", "--", "ls", "-l", "a b")
    assert (done.returncode, done.stdout) == (7, "inside\n")
    assert stack.docker.calls[-1] == ["exec", "--interactive", "id", "ls", "-l", "a b"]
    assert not ran(stack, "compose"), "which takes as long as the command"
    stack.docker.answer("ps", stdout="")
    done = stack.goldi("compose.exec", "web", "--", "ls")
    assert "web is not running. Start the stack with `goldi compose.up`." in one_sentence(done)


def test_everything_else_is_handed_on(stack: Stage) -> None:
    stack.docker.answer("compose --profile dev top", code=3)
    done = stack.goldi("compose.run", "--", "top", "web")
    assert done.returncode == 3
    assert ran(stack, "top") == [["compose", "--profile", "dev", "top", "web"]]


def test_an_engine_that_goes_away_while_the_stack_starts(stack: Stage) -> None:
    stack.docker.answer("compose --profile dev up", stderr=f"{NO_ENGINE['ServerErrors'][0]}\n", code=1)
    stack.docker.answer("info", stdout=json.dumps(NO_ENGINE), code=1)
    done = stack.goldi("compose.up")
    assert done.returncode == 11
    assert "no Docker engine answers. Start it, or run `goldi engine.up`." in one_sentence(done)


def test_ctrl_c_while_the_stack_starts(stack: Stage) -> None:
    stack.docker.answer("compose --profile dev up", sleep=60)
    pipe = subprocess.PIPE
    argv = (str(BIN / "goldi"), "compose.up")
    with subprocess.Popen(
        argv, cwd=stack.project, env=stack.env, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as goldi:
        ready(stack)
        goldi.send_signal(signal.SIGINT)
        _, said = goldi.communicate(timeout=20)
    assert (goldi.returncode, said) == (130, "goldi: interrupted.\n")


def test_a_stack_of_another_checkout(stack: Stage) -> None:
    line = row(stack, "web", "Up 2 seconds").replace(str(stack.project), "/somewhere/else")
    stack.docker.answer("ps", stdout=line)
    done = stack.goldi("compose.up")
    assert done.returncode == 18
    assert "the stack 'bears' belongs to /somewhere/else. Take it down there" in one_sentence(done)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ({"code": 1, "stderr": "docker: 'compose' is not a docker command.\n"}, "docker has no compose plugin."),
        ({"stdout": "docker-compose version 1.29.2\n"}, "compose 1.29.2 is too old."),
    ],
)
def test_no_compose_or_an_old_one(stage: Stage, version: dict[str, Any], said: str) -> None:
    (stage.project / "compose.yaml").write_text("services: {}\n")
    stage.docker.answer("compose", code=1, stderr="unknown flag: --profile\n")
    stage.docker.answer("compose version", **version)
    done = stage.goldi("compose.ps")
    assert done.returncode == 10
    assert said in one_sentence(done)


def test_no_compose_file(stage: Stage) -> None:
    done = stage.goldi("compose.ps")
    assert done.returncode == 4
    assert "has no compose.yaml and no infrastructure/docker/docker-compose.yml." in one_sentence(done)


@pytest.fixture
def script(stage: Stage) -> tuple[Path, dict[str, str]]:
    """compose.sh in a project, and a PATH with the recording docker and what every system has."""
    folder = stage.project / "infrastructure/docker"
    shutil.copytree(REPO / "infrastructure/docker/scripts", folder / "scripts")
    shutil.copy(REPO / "infrastructure/docker/setup-cache.sh", folder)
    env = {
        "PATH": f"{stage.docker.folder}:/usr/bin:/bin",
        "GOLDI_CACHE_ROOT": str(stage.caches),
        "HOME": stage.env["HOME"],
    }
    return folder / "scripts/compose.sh", env


def call(script: tuple[Path, dict[str, str]], *arguments: str) -> "subprocess.CompletedProcess[str]":
    file, env = script
    return subprocess.run((str(file), *arguments), env=env, capture_output=True, text=True, check=False)


def test_the_script_builds_with_bake_and_hands_the_rest_on(
    script: tuple[Path, dict[str, str]], recording: Recording
) -> None:
    recording.answer("compose version --short", stdout="2.26.1-4\n")
    recording.answer("compose --profile dev config --images", stdout="localhost/goldi/postgres:17-trixie\n")
    assert call(script, "development", "build", "--pull").returncode == 0
    file = "infrastructure/docker/docker-bake.json"
    assert recording.calls[-1] == ["buildx", "bake", "--file", file, "development", "--pull"]
    assert call(script, "production", "logs", "--tail", "3").returncode == 0
    assert recording.calls[-1] == ["compose", "--profile", "prod", "logs", "--tail", "3"]
    assert call(script, "development", "up").returncode == 0
    assert recording.calls[-1] == ["compose", "--profile", "dev", "up", "--detach", "--no-build", "--wait"]
    recording.answer("buildx bake --help", stdout="  --allow stringArray\n")
    assert call(script, "production", "build").returncode == 0
    assert "--allow" in recording.calls[-1]


@pytest.mark.parametrize(
    ("arguments", "version", "code", "said"),
    [
        (("dev", "up"), "2.26.1", 5, "'dev' is no environment. Say development or production"),
        ((), "2.26.1", 5, "'' is no environment."),
        (("production",), "2.26.1", 5, "no command. Say build, up, down"),
        (("production", "up"), "1.29.2", 10, "this is compose 1.29.2. Install compose 2 or newer."),
        (("production", "up"), "", 10, "docker has no compose plugin. Install docker-compose-v2"),
    ],
)
def test_what_the_script_refuses(
    script: tuple[Path, dict[str, str]],
    recording: Recording,
    arguments: tuple[str, ...],
    version: str,
    code: int,
    said: str,
) -> None:
    recording.answer("compose version --short", stdout=f"{version}\n", code=0 if version else 1)
    done = call(script, *arguments)
    assert done.returncode == code
    (line,) = done.stderr.splitlines()
    assert line.startswith("compose.sh: ")
    assert said in line
