"""What a user can do wrong with the dev container."""

import json
from pathlib import Path

import pytest

from goldi_tasks.devcontainer import devcontainer_arguments
from tests.door.conftest import Stage, one_sentence
from tests.recording import INFO

pytestmark = pytest.mark.door

NO_ENGINE = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


@pytest.mark.parametrize("task", ["devcontainer.shell", "devcontainer.exec"])
def test_no_container(stage: Stage, task: str) -> None:
    done = stage.goldi(task, "--", "true")
    assert done.returncode == 20
    problem = f"goldi: no dev container of {stage.project} is running. Run `goldi devcontainer.up`."
    assert one_sentence(done) == problem


def test_no_command(stage: Stage) -> None:
    done = stage.goldi("devcontainer.exec")
    assert done.returncode == 5
    assert one_sentence(done).startswith("goldi: there is no command to run. Write it after --")
    assert stage.docker.calls == []


def test_no_configuration(stage: Stage) -> None:
    for task in ("devcontainer.up", "devcontainer.rebuild"):
        done = stage.goldi(task)
        assert done.returncode == 4
        assert one_sentence(done) == (
            f"goldi: {stage.project} has no .devcontainer/devcontainer.json. Copy .devcontainer into this project."
        )
    assert stage.docker.calls == []


def test_inside_already(stage: Stage) -> None:
    stage.env["GOLDI_INSIDE"] = "tools"
    for task in ("up", "down", "shell", "fix-git"):
        done = stage.goldi(f"devcontainer.{task}")
        assert done.returncode == 20
        assert one_sentence(done) == "goldi: this is the inside of a container. Run it on the host."


def test_only_this_checkouts_container_goes(stage: Stage) -> None:
    ours = f"ps --all --quiet --no-trunc --filter label={devcontainer_arguments.LABEL}="
    stage.docker.answer(f"{ours}/somewhere/else", stdout="theirs\n")
    assert stage.goldi("devcontainer.down").stdout == "there is no dev container\n"
    assert stage.docker.calls == [[*ours.split()[:-1], f"label={devcontainer_arguments.LABEL}={stage.project}"]]


def test_no_engine(stage: Stage) -> None:
    stage.docker.answer("ps", code=1, stderr=NO_ENGINE)
    stage.docker.answer("info", stdout=json.dumps(INFO | {"ServerErrors": [NO_ENGINE]}), code=1)
    done = stage.goldi("devcontainer.down")
    assert done.returncode == 11
    assert one_sentence(done).startswith("goldi: no Docker engine answers.")


def test_the_program_gets_its_arguments_and_gives_its_exit_code(stage: Stage) -> None:
    labels = {
        devcontainer_arguments.LABEL: str(stage.project),
        devcontainer_arguments.METADATA: '[{"remoteUser": "dev"}]',
    }
    row = {"Id": "abc", "Image": "i", "State": {"Status": "running"}, "Mounts": []}
    stage.docker.answer("ps", stdout="abc\n")
    stage.docker.answer("inspect", stdout=json.dumps([row | {"Config": {"Labels": labels, "Env": []}}]))
    stage.docker.answer("exec", code=7)
    done = stage.goldi("devcontainer.exec", "--", "a b", "$c", "--x")
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")
    argv = stage.docker.only("exec")["argv"]
    assert argv[-3:] == ["a b", "$c", "--x"]
    assert argv[argv.index("--workdir") + 1] == str(stage.project)
    dry = stage.goldi("--dry", "devcontainer.down")
    assert dry.stdout == "docker rm --force --volumes abc\n"


def test_git_is_missing(stage: Stage, tmp_path: Path) -> None:
    done = stage.goldi("devcontainer.fix-git")
    assert done.returncode == 127
    assert one_sentence(done).startswith("goldi: git is not installed.")
