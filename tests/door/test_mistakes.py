"""Whatever a user can cause is told in one sentence, with the remedy and an exit code of its own."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import streams
from tests.conftest import REPO
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
    assert stage.goldi("build.print", "--target", "prodution").returncode == 5
    # Bake is asked, since it may be the name of a matrix.
    assert not any("bake" in argv and "--print" not in argv for argv in stage.docker.calls)


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
    assert "`goldi cache.status`" in done.stderr


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
    assert "Push the image with --push" in one_sentence(done)


TASKS = """\
from invoke.collection import Collection
from goldi_tasks.tasks import build, cache, ci, compose, devcontainer, engine
ns = Collection(build, cache, ci, compose, devcontainer, engine)
"""


@pytest.mark.parametrize("program", ["goldi", "inv"])
@pytest.mark.parametrize(
    "words",
    [
        "cache.save --help",
        "cache.save -h",
        "cache.save file --help",
        "cache.save --name --help",
        "cache.restore --help",
        "build.target --help",
        "build.prod --set --help",
        "ci.session --help",
        "compose.exec -h",
        "compose.run --profile --help",
    ],
)
def test_help_after_a_task_is_help(stage: Stage, program: str, words: str) -> None:
    (stage.project / "tasks.py").write_text(TASKS)
    done = stage.run(str(BIN / program), *words.split())
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    task = words.split(maxsplit=1)[0]
    usage = {"goldi": "Usage: goldi", "inv": "Usage: inv"}[program]
    assert done.stdout.startswith(usage)
    assert f" [--core-opts] {task} [--options] " in done.stdout.splitlines()[0]
    assert "Docstring:" in done.stdout
    assert stage.docker.calls == []
    assert sorted(path.name for path in stage.project.iterdir() if path.name.startswith("-")) == []


@pytest.mark.parametrize("program", ["goldi", "inv"])
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("cache.save --nmae x", "cache.save has no option '--nmae'. Did you mean '--name'?"),
        ("cache.save --dry file", "--dry must come before cache.save. Write `{} --dry cache.save`."),
        ("cache.restore -9", "cache.restore has no option '-9'. See `{} cache.restore --help`."),
        ("ci.check --junit --xml", "--junit needs a value, not '--xml'. Write a file of that name as ./--xml."),
        ("build.history --number ten", "--number needs a whole number, not 'ten'."),
        ("compose.up --timeout soon", "--timeout needs a number, not 'soon'."),
    ],
)
def test_an_option_is_no_value(stage: Stage, program: str, words: str, sentence: str) -> None:
    (stage.project / "tasks.py").write_text(TASKS)
    done = stage.run(str(BIN / program), *words.split())
    assert (done.returncode, one_sentence(done)) == (5, f"goldi: {sentence.format(program)}")
    assert stage.docker.calls == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("buidl.prod", "there is no task 'buidl.prod'. Did you mean 'build.prod'?"),
        ("help build.prod", "'help' is no task. Use `goldi --help`, or `goldi --help TASK`."),
        ("xyzzy", "there is no task 'xyzzy'. See `goldi --list`."),
        ("build.prod --forse", "build.prod has no option '--forse'. Did you mean '--force'?"),
        ("build.prod -y", "build.prod has no option '-y'. See `goldi build.prod --help`."),
        ("build.prod --set", "--set needs a value. See `goldi build.prod --help`."),
        ("build.prod --set --force", "--set needs a value. See `goldi build.prod --help`."),
        ("ci.check --junit --json", "--junit needs a value. See `goldi ci.check --help`."),
        ("cache.save -- file", "cache.save needs FILE. See `goldi cache.save --help`."),
        (
            "cache.clear pip-cache",
            "'pip-cache' is no task, and no value of cache.clear. See `goldi cache.clear --help`.",
        ),
        ("--lsit", "goldi has no option '--lsit'. Did you mean '--list'?"),
        ("--list biuld", "there is no namespace 'biuld'. Did you mean 'build'?"),
        ("--list --list-format flit", "there is no list format 'flit'. Did you mean 'flat'?"),
        ("--help buidl.prod", "there is no task 'buidl.prod'. Did you mean 'build.prod'?"),
        ("--command-timeout soon build.list", "--command-timeout needs a whole number, not 'soon'."),
    ],
)
def test_a_misspelt_command_line(stage: Stage, words: str, sentence: str) -> None:
    done = stage.goldi(*words.split())
    assert (done.returncode, one_sentence(done)) == (5, f"goldi: {sentence}")
    assert done.stdout == ""
    assert stage.docker.calls == []


def test_a_namespace_lists_its_tasks(stage: Stage) -> None:
    done = stage.goldi("build")
    assert (done.returncode, one_sentence(done)[:43]) == (5, "goldi: 'build' is a namespace. Name one of ")
    assert "\n  .prod " in done.stdout
    assert "cache" not in done.stdout.splitlines()[2]


@pytest.mark.parametrize("words", ["build.prodution", "build.prod --set", "build.prod --forse"])
def test_inv_builds_nothing_for_a_misspelt_command_line(stage: Stage, words: str) -> None:
    (stage.project / "tasks.py").write_text(TASKS)
    done = stage.run(str(BIN / "inv"), *words.split())
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert stage.docker.calls == []


@pytest.mark.parametrize("task", ["cache.save", "ci.cache-save --file"])
def test_a_users_file_is_written_over_only_with_consent(stage: Stage, task: str) -> None:
    file = stage.project / "notes.txt"
    file.write_text("mine")
    words = (*task.split(), "notes.txt", "--no-mounts") if task == "cache.save" else (*task.split(), "notes.txt")
    done = stage.goldi(*words)
    assert (done.returncode, file.read_text()) == (5, "mine")
    assert one_sentence(done) == (
        "goldi: notes.txt is a file that was not written by cache.save. "
        "Use --yes if that is what you want, or name another file."
    )
    assert stage.goldi(*words, "--yes").returncode == 0
    archive = file.read_bytes()
    assert archive[:4] == b"\x28\xb5\x2f\xfd"
    # One of our own is replaced, also a damaged one.
    assert stage.goldi(*words).returncode == 0
    file.write_bytes(archive[:-20])
    (stage.project / "notes.txt.key").unlink(missing_ok=True)
    assert stage.goldi(*words).returncode == 0


def test_an_archive_of_another_project_is_written_over_only_with_consent(
    stage: Stage, make_project: Callable[..., Path]
) -> None:
    other = make_project(name="another")
    file = stage.project.parent / "caches.tar.zst"
    assert stage.run(str(BIN / "goldi"), "cache.save", str(file), "--no-mounts", cwd=other).returncode == 0
    before = file.read_bytes()
    done = stage.goldi("cache.save", str(file), "--no-mounts")
    assert (done.returncode, file.read_bytes() == before) == (5, True)
    assert f"{file} has the caches of another project, another-" in one_sentence(done)


def test_a_device_is_never_replaced(stage: Stage) -> None:
    pipe = stage.project / "pipe"
    os.mkfifo(pipe)
    done = stage.goldi("cache.save", str(pipe), "--no-mounts", "--yes")
    assert (done.returncode, pipe.is_fifo()) == (13, True)
    assert "is not a regular file. Name a file, or - for standard output." in one_sentence(done)


@pytest.mark.parametrize("folder", ["goldi_tasks", "goldi_tasks/tasks", "goldi_tasks/maintenance/archive", "docs"])
def test_inv_finds_the_projects_tasks_in_any_directory(stage: Stage, folder: str) -> None:
    """Below goldi_tasks/ invoke comes to our package `tasks` before the project's tasks.py."""
    done = stage.run(str(BIN / "inv"), "--list", cwd=REPO / folder)
    assert done.returncode == 0, done.stderr
    assert {"ci.lint", "build.prod"} <= {line.split(maxsplit=1)[0] for line in done.stdout.splitlines() if line}


def test_without_a_tasks_file_above_the_package_inv_has_all_of_ours(stage: Stage, tmp_path: Path) -> None:
    installed = tmp_path / "site-packages"
    shutil.copytree(REPO / "goldi_tasks", installed / "goldi_tasks", ignore=shutil.ignore_patterns("__pycache__"))
    stage.env["PYTHONPATH"] = str(installed)
    done = stage.run(str(BIN / "inv"), "--list", cwd=installed / "goldi_tasks/tasks")
    assert done.returncode == 0, done.stderr
    assert "  ci.lint " in done.stdout
    (installed / "tasks.py").write_text("from invoke import task\n\n@task\ndef own(c):\n    'Do it.'\n")
    assert "  own " in stage.run(str(BIN / "inv"), "--list", cwd=installed / "goldi_tasks/tasks").stdout


@pytest.mark.parametrize(
    ("program", "words", "code"),
    [
        ("goldi", "--list", 141),
        ("goldi", "--help", 141),
        ("goldi", "--version", 141),
        ("goldi", "build.list", 141),
        ("goldi", "build.target nope", 5),
        ("inv", "cache.save --help", 141),
    ],
)
def test_output_that_nobody_reads_is_no_traceback(stage: Stage, program: str, words: str, code: int) -> None:
    (stage.project / "tasks.py").write_text(TASKS)
    reader, writer = os.pipe()
    os.close(reader)
    command = (str(BIN / program), *words.split())
    done = subprocess.run(
        command, cwd=stage.project, env=stage.env, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == (1 if code == 5 else 0), done.stderr


@pytest.mark.parametrize("words", ["--list", "build.list", "cache.save --help"])
def test_output_to_a_full_disk_is_one_sentence(stage: Stage, words: str) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            (str(BIN / "goldi"), *words.split()),
            cwd=stage.project,
            env=stage.env,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (15, "goldi: a disk is full. Free some, see `goldi cache.status`.\n")
