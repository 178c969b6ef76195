"""Whatever a user can cause is told in one sentence, with the remedy and an exit code of its own."""

import json
from pathlib import Path

import pytest

from tests import streams
from tests.door.conftest import BIN, Stage, one_sentence
from tests.recording import INFO

pytestmark = pytest.mark.door

NO_ENGINE = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
NO_PERMISSION = (
    "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: "
    'Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.50/info": dial unix /var/run/docker.sock: connect: permission denied'
)


def add(stage: Stage, line: str) -> None:
    with (stage.project / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(line + "\n")


@pytest.mark.parametrize(
    ("program", "task"), [("goldi", "build.prod"), ("goldi", "cache.status"), ("inv", "build.list")]
)
def test_an_unknown_setting(stage: Stage, program: str, task: str) -> None:
    (stage.project / "tasks.py").write_text(
        "from invoke.collection import Collection\n"
        "from goldi_tasks.tasks import build, cache\n"
        "ns = Collection(build, cache)\n"
    )
    add(stage, 'imagee = "x"')
    done = stage.run(str(BIN / program), task)
    assert done.returncode == 3
    assert one_sentence(done) == "goldi: unknown setting 'imagee' in [tool.goldi]. Did you mean 'image'?"
    assert stage.docker.calls == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("GOLDI_INSTALLER", "conda"), ("GOLDI_CACHE_ROOT", "relative"), ("GOLDI_APP", ".."), ("GOLDI_CA_BUNDLE", "/no")],
)
def test_a_bad_variable(stage: Stage, name: str, value: str) -> None:
    stage.env[name] = value
    done = stage.goldi("build.prod")
    assert done.returncode == 3
    assert value in one_sentence(done)
    assert stage.docker.calls == []


def test_a_broken_pyproject(stage: Stage) -> None:
    add(stage, "= broken")
    done = stage.goldi("build.prod")
    assert done.returncode == 3
    assert "pyproject.toml is not valid TOML" in one_sentence(done)


def test_a_broken_bake_file(stage: Stage) -> None:
    (stage.project / "infrastructure/docker/docker-bake.json").write_text("{")
    done = stage.goldi("build.prod")
    assert done.returncode == 3
    assert "docker-bake.json is not valid JSON" in one_sentence(done)


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ("build.prod", "null"),
        ("build.prod", '{"target": 3}'),
        ("build.list", '{"target": {"production": 3}, "group": {}}'),
    ],
)
def test_a_bake_file_of_another_shape(stage: Stage, task: str, text: str) -> None:
    (stage.project / "infrastructure/docker/docker-bake.json").write_text(text)
    assert "Traceback" not in stage.goldi(task).stderr


def test_an_unknown_target(stage: Stage) -> None:
    done = stage.goldi("build.target", "prodution")
    assert done.returncode == 5
    assert one_sentence(done) == "goldi: no bake target or group 'prodution'. Did you mean 'production'?"
    assert stage.docker.calls == []
    assert stage.goldi("build.print", "--target", "prodution").returncode == 5


def test_an_unknown_platform(stage: Stage) -> None:
    done = stage.goldi("build.prod", "--platform", "linux/arm46")
    assert done.returncode == 5
    assert one_sentence(done) == "goldi: no platform 'linux/arm46'. Did you mean 'linux/arm64'?"
    assert not any("bake" in argv and "--print" not in argv for argv in stage.docker.calls)


def test_not_a_project(stage: Stage, tmp_path: Path) -> None:
    done = stage.goldi("build.prod", cwd=tmp_path)
    assert done.returncode == 4
    assert one_sentence(done).startswith(f"goldi: no pyproject.toml in {tmp_path} or above it. ")


def test_a_project_without_a_bake_file(stage: Stage) -> None:
    (stage.project / "infrastructure/docker/docker-bake.json").unlink()
    done = stage.goldi("build.prod")
    assert done.returncode == 4
    assert "has no infrastructure/docker/docker-bake.json. " in one_sentence(done)


def test_no_docker(stage: Stage, tmp_path: Path) -> None:
    stage.env["PATH"] = str(tmp_path / "home")
    done = stage.goldi("build.prod")
    assert done.returncode == 10
    assert one_sentence(done).startswith("goldi: docker is not installed. ")


def test_no_buildx(stage: Stage) -> None:
    stage.docker.answer("buildx", code=1, stderr="docker: 'buildx' is not a docker command.\nSee 'docker --help'\n")
    for asked in ("buildx version", "buildx ls"):
        stage.docker.answer(asked, code=1, stderr="docker: 'buildx' is not a docker command.\n")
    done = stage.goldi("build.prod")
    assert done.returncode == 10
    assert one_sentence(done).startswith("goldi: docker has no buildx plugin. ")


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        ("build.prod", {"code": 1, "stdout": '{"ServerVersion":""}\n', "stderr": NO_ENGINE + "\n"}),
        ("build.builder", {"code": 0, "stdout": json.dumps({"ServerVersion": "", "ServerErrors": [NO_ENGINE]})}),
    ],
    ids=["28", "26"],
)
def test_no_engine(stage: Stage, task: str, answer: dict[str, object]) -> None:
    stage.docker.answer("info", **answer)
    stage.docker.answer("buildx ls", stdout="NAME/NODE DRIVER/ENDPOINT\ndefault* error\n", stderr=NO_ENGINE)
    done = stage.goldi(task)
    assert done.returncode == 11
    assert one_sentence(done).startswith("goldi: no Docker engine answers. ")
    assert not any("bake" in argv and "--print" not in argv for argv in stage.docker.calls)


@pytest.mark.parametrize("task", ["build.prod", "build.builder", "engine.up", "engine.status"])
def test_podman_at_dockers_socket(stage: Stage, task: str) -> None:
    stage.docker.answer("info", stdout=json.dumps(INFO | {"ServerVersion": "5.4.2", "IndexServerAddress": ""}))
    stage.docker.answer("version", stdout='[{"Name": "Podman Engine", "Version": "5.4.2"}]')
    done = stage.goldi(task)
    assert done.returncode == 11
    said = "goldi: Podman 5.4.2 answers as the engine, and it has no BuildKit, which all images need. Unset DOCKER_HOST"
    assert one_sentence(done).startswith(said)
    assert not [argv for argv in stage.docker.calls if "bake" in argv and "--print" not in argv]


@pytest.mark.parametrize(
    "answer",
    [
        {"code": 1, "stdout": '{"ServerVersion":""}\n', "stderr": NO_PERMISSION + "\n"},
        {"code": 0, "stdout": json.dumps({"ServerVersion": "", "ServerErrors": [NO_PERMISSION]})},
    ],
    ids=["28", "26"],
)
def test_no_permission_on_the_socket(stage: Stage, answer: dict[str, object]) -> None:
    stage.docker.answer("info", **answer)
    done = stage.goldi("build.prod")
    assert done.returncode == 12
    assert "docker group" in one_sentence(done)


def test_a_full_disk(stage: Stage) -> None:
    # Of a step, not of buildx: it is in the step's error.
    said = streams.text("failing").replace("did not complete successfully", "failed: No space left on device")
    stage.docker.answer("buildx bake", code=1, stderr=said)
    done = stage.goldi("build.prod")
    assert done.returncode == 15
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("goldi: a disk is full: ")
    assert "`inv cache.status`" in done.stderr


def test_a_stage_that_is_not_there(stage: Stage) -> None:
    (stage.project / "infrastructure/docker/Dockerfile").write_text("FROM scratch AS producton\n")
    said = 'ERROR: failed to solve: target stage "production" could not be found\n'
    stage.docker.answer("buildx bake", code=1, stderr=said)
    done = stage.goldi("build.prod")
    assert done.returncode == 5
    assert done.stderr.endswith("goldi: the Dockerfile has no stage 'production'. Did you mean 'producton'?\n")


def test_an_engine_that_stops_in_the_middle(stage: Stage) -> None:
    stage.docker.answer("info", stdout=json.dumps(INFO), code=[0, 1])
    stage.docker.answer("buildx bake", code=1, stderr="ERROR: error reading from server: EOF\n")
    done = stage.goldi("build.prod")
    assert done.returncode == 11
    assert done.stderr.splitlines()[-1].startswith("goldi: the engine stopped during the build. Start it")


def test_a_cache_directory_that_is_a_link(stage: Stage) -> None:
    stage.caches.mkdir()
    (stage.caches / ".buildx-cache-production").symlink_to("/etc")
    done = stage.goldi("build.prod")
    assert done.returncode == 13
    assert "is a symbolic link. Remove it" in one_sentence(done)
    assert not any("bake" in argv and "--print" not in argv for argv in stage.docker.calls)


def test_two_platforms_on_the_classic_store(stage: Stage) -> None:
    stage.docker.answer("info", stdout='{"ServerVersion": "26.1.5", "DriverStatus": [["Backing Filesystem", "extfs"]]}')
    done = stage.goldi("build.prod", "--platform", "linux/amd64,linux/arm64")
    assert done.returncode == 11
    assert "Push it with --push" in one_sentence(done)


def test_a_misspelt_task_is_invokes_to_tell(stage: Stage) -> None:
    done = stage.goldi("build.prodution")
    assert done.returncode != 0
    assert "build.prodution" in done.stderr
    assert "Traceback" not in done.stderr
