"""The stack's tasks with a docker that records how it is called."""

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks.compose.compose_arguments import PROJECT_LABEL
from goldi_tasks.compose.containers import FIELDS
from goldi_tasks.paths import project_key
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


def test_the_first_up_makes_what_it_mounts(stack: Stage) -> None:
    network = Path(stack.env["HOME"], ".local/state/goldi/network", project_key(stack.project))
    cache = stack.caches / "pip-cache"
    mount = {"type": "volume", "source": "pip", "target": "/cache/pip"}
    web = SERVICES["web"] | {"secrets": [{"source": "network"}], "volumes": [mount]}
    options = {"type": "none", "o": "bind", "device": str(cache)}
    more = {
        "services": SERVICES | {"web": web},
        "secrets": {"network": {"file": str(network)}},
        "volumes": {"pip": {"name": "bears_pip", "driver_opts": options}},
    }
    stack.docker.answer(ALL, stdout=json.dumps(CONFIG | more))
    done = stack.goldi("compose.up")
    assert done.returncode == 0, done.stderr
    assert network.is_file()
    assert cache.is_dir()


def written(stage: Stage) -> list[str]:
    """All that a command may leave for the next one."""
    places = (stage.project, stage.caches, Path(stage.env["HOME"]))
    return sorted(str(path) for place in places for path in place.rglob("*"))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("compose.up", "--profile", "devv"), 5),
        (("compose.up", "--profile", "prod"), 18),
        (("compose.watch",), 4),
        (("compose.build", "--service", "wbe"), 5),
    ],
)
def test_what_cannot_start_has_written_nothing(stack: Stage, arguments: tuple[str, ...], code: int) -> None:
    db = {"image": "postgres:17", "profiles": ["prod"], "secrets": [{"source": "password"}]}
    secrets = {"password": {"file": "/no/such/file"}}
    stack.docker.answer(ALL, stdout=json.dumps(CONFIG | {"services": SERVICES | {"db": db}, "secrets": secrets}))
    before = written(stack)
    assert stack.goldi(*arguments).returncode == code
    assert written(stack) == before


def test_without_docker_nothing_is_written(stack: Stage) -> None:
    stack.docker.answer(ALL, code=1, stderr="docker: 'compose' is not a docker command.\n")
    stack.docker.answer("compose version", code=1)
    before = written(stack)
    assert stack.goldi("compose.up").returncode == 10
    assert written(stack) == before


@pytest.mark.parametrize("task", ["compose.up", "compose.watch", "cache.setup", "engine.up"])
def test_inside_a_container_nothing_is_written_for_the_outside(stack: Stage, task: str) -> None:
    bundle = stack.caches.with_name("ca_bundle")
    bundle.touch()
    stack.env |= {"GOLDI_INSIDE": "tools", "GOLDI_CA_BUNDLE": str(bundle)}
    before = written(stack)
    done = stack.goldi(task)
    assert done.returncode == 20
    assert one_sentence(done) == "goldi: this is the inside of a container. Run it on the host."
    assert written(stack) == before
    assert stack.docker.calls == []
    # What would write .env by another way cannot either.
    stack.goldi("cache.doctor", "--fix")
    assert not (stack.project / "infrastructure/docker/.env").exists()


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


def describe(stage: Stage, status: str, *codes: int) -> None:
    """What the engine knows of the container: Docker's verdict, and its last checks, by their exit codes."""
    times = [(f"2026-11-27T07:0{number}:00Z", code) for number, code in enumerate(codes)]
    checks = [{"Start": time, "End": time, "ExitCode": code, "Output": "hot"} for time, code in times]
    state = {
        "Status": "running",
        "StartedAt": "2026-11-27T07:00:00Z",
        "Health": {"Status": status, "Log": checks},
    }
    stage.docker.answer("inspect", stdout=json.dumps([{"Id": "id", "State": state, "Config": {}}]))


def test_an_app_that_does_not_start_is_told_at_once(stack: Stage) -> None:
    describe(stack, "starting", 1)
    stack.docker.answer("ps", stdout=row(stack, "web", "Up 2 seconds (health: starting)"))
    stack.docker.answer("logs", stderr="hot\n", stdout="serve: error: KeyError: 'x' (app.py, line 1)\n")
    done = stack.goldi("compose.up")
    assert done.returncode == 19
    assert "goldi: web does not start: KeyError: 'x' (app.py, line 1). Fix this error" in one_sentence(done)
    assert "web | hot" in done.stdout
    # It may be called healthy until the next check.
    describe(stack, "healthy", 0)
    stack.docker.answer("ps", stdout=row(stack, "web", "Up 2 seconds (healthy)"))
    assert stack.goldi("compose.up").returncode == 19
    (since,) = {argv[argv.index("--since") + 1] for argv in ran(stack, "logs") if "--since" in argv}
    assert since == "2026-11-27T07:00:00+00:00"


def test_one_that_ends_is_told_with_its_error(stack: Stage) -> None:
    stack.docker.answer("ps", stdout=row(stack, "web", "Exited (1) 2 seconds ago"))
    stack.docker.answer("logs", stderr='  File "/app/app.py", line 3\nSyntaxError: no\n')
    done = stack.goldi("compose.up")
    assert done.returncode == 19
    assert "web ended with exit code 1: SyntaxError: no (/app/app.py, line 3). Fix this error" in one_sentence(done)


def test_what_was_unhealthy_before_the_start_gets_its_time(stack: Stage) -> None:
    describe(stack, "unhealthy", 1, 1, 1)
    stack.docker.answer("ps", stdout=row(stack, "web", "Up 2 minutes (unhealthy)"))
    done = stack.goldi("compose.up", "--timeout", "0.2")
    assert "goldi: web is still unhealthy after 0.2 s." in one_sentence(done)
    # Compose itself gives up for it.
    gave_up = "dependency failed to start: container bears-web-1 is unhealthy\n"
    stack.docker.answer("compose --profile dev up", code=1, stderr=gave_up)
    done = stack.goldi("compose.up", "--timeout", "2")
    assert "web was unhealthy: waiting until it is healthy" in done.stdout
    assert done.returncode == 19


@pytest.mark.parametrize(
    ("status", "codes", "word", "code"),
    [("healthy", (1, 0), "healthy", 0), ("healthy", (0, 1), "unhealthy", 19), ("starting", (1,), "starting", 19)],
)
def test_health_is_one_word(stack: Stage, status: str, codes: tuple[int, ...], word: str, code: int) -> None:
    describe(stack, status, *codes)
    done = stack.goldi("compose.health")
    assert (done.returncode, done.stdout.split()) == (code, ["web", word, "hot"])
    done = stack.goldi("compose.health", "--json")
    row = {"service": "web", "state": "running", "health": word, "up": code == 0, "check": "hot"}
    assert (done.returncode, json.loads(done.stdout)) == (code, [row])


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


@pytest.mark.parametrize("task", [("compose.up",), ("compose.down",), ("compose.down", "--volumes", "--yes")])
def test_a_stack_of_another_checkout(stack: Stage, tmp_path: Path, task: tuple[str, ...]) -> None:
    line = row(stack, "web", "Up 2 seconds").replace(str(stack.project), str(tmp_path))
    stack.docker.answer("ps", stdout=line)
    done = stack.goldi(*task)
    assert done.returncode == 18
    assert f"the stack 'bears' belongs to {tmp_path}. Take it down there" in one_sentence(done)
    assert not ran(stack, "down")
    assert not ran(stack, "up")


def volumes(stage: Stage) -> None:
    """One that holds data, and one that is a directory of a cache."""
    bind = {"type": "none", "o": "bind", "device": "/caches/pip-cache"}
    both = [{"Name": "bears_data", "CreatedAt": "now"}, {"Name": "bears_pip", "Options": bind}]
    stage.docker.answer("volume ls", stdout="bears_data\nbears_pip\n")
    stage.docker.answer("inspect --type volume", stdout=json.dumps(both))


def test_data_go_only_where_somebody_agrees(stack: Stage) -> None:
    volumes(stack)
    loss = f"--volumes deletes the data of the stack 'bears' of {stack.project}: bears_data"
    stack.docker.answer("ps --all --filter volume=bears_data", stdout=f"{stack.project}\n")
    done = stack.goldi("compose.down", "--volumes")
    assert done.returncode == 5
    assert f"goldi: {loss}. Use --yes if that is what you want." in one_sentence(done)
    assert not ran(stack, "down")
    assert not ran(stack, "rm")
    assert stack.goldi("compose.down", "--volumes", "--yes").returncode == 0
    assert ran(stack, "rm") == [["volume", "rm", "bears_pip", "bears_data"]]
    done = stack.goldi("compose.down")
    assert "kept data volumes: bears_data (--volumes removes them)" in done.stdout
    assert ran(stack, "rm")[1:] == [["volume", "rm", "bears_pip"]]


def test_data_of_nobody_knows_whom_stay(stack: Stage) -> None:
    volumes(stack)
    stack.docker.answer("ps --all --filter volume=bears_data", stdout="")
    done = stack.goldi("compose.down", "--volumes", "--yes")
    assert done.returncode == 18
    assert "it is unknown which checkout created the volume bears_data" in one_sentence(done)
    assert "`docker volume rm bears_data`" in done.stderr
    assert not ran(stack, "down")
    # This checkout made it: compose says so, and it was not there before.
    stack.docker.answer("volume ls", stdout="")
    stack.docker.answer("compose --profile dev up", stderr=' Volume "bears_data"  Created\n')
    stack.docker.answer(f"volume ls --quiet --filter label={PROJECT_LABEL}=bears", stdout="bears_data\n")
    assert stack.goldi("compose.up").returncode == 0
    assert stack.goldi("compose.down", "--volumes", "--yes").returncode == 0
    assert ran(stack, "rm") == [["volume", "rm", "bears_pip", "bears_data"]]


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


def test_the_script_writes_nothing_inside_a_container(
    script: tuple[Path, dict[str, str]], recording: Recording
) -> None:
    file, env = script
    done = call((file, env | {"GOLDI_INSIDE": "tools"}), "development", "up")
    assert (done.returncode, done.stderr) == (
        20,
        "compose.sh: this is the inside of a container. Run it on the host.\n",
    )
    assert not (file.parents[1] / ".env").exists()
    assert recording.calls == []


@pytest.mark.parametrize("command", ["up", "down", "restart"])
def test_the_script_leaves_the_stack_of_another_checkout_alone(
    script: tuple[Path, dict[str, str]], recording: Recording, tmp_path: Path, command: str
) -> None:
    recording.answer("compose version --short", stdout="2.26.1\n")
    recording.answer("compose --profile prod config", stdout="name: bears\nservices: {}\n")
    recording.answer("ps", stdout=f"{tmp_path}\n")
    done = call(script, "production", command)
    assert done.returncode == 18
    assert done.stderr.startswith(f"compose.sh: the stack 'bears' belongs to {tmp_path}. Take it down there")
    assert not [argv for argv in recording.calls if command in argv]
    project = script[0].parents[3]
    recording.answer("ps", stdout=f"{project}\n{project}/infrastructure/docker\n")
    assert call(script, "production", command).returncode == 0
    (project / "tree/.git").mkdir(parents=True)
    recording.answer("ps", stdout=f"{project}/tree/infrastructure/docker\n")
    assert call(script, "production", command).returncode == 18


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
