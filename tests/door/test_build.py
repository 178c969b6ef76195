"""`goldi build.*` from the command line to docker's arguments and back to the exit code."""

import itertools
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from goldi_tasks.settings.image_names import BUILT, DATABASE_MADE
from tests import streams
from tests.door.conftest import BIN, Stage, one_sentence, ready
from tests.recording import BUILDX_LS_GUIDE, CLASSIC

pytestmark = pytest.mark.door

AWKWARD = "x.args.A=a b;$(touch pwned)'\"\\ü*"
QUESTIONS = (["info"], ["buildx", "version"], ["buildx", "ls"], ["buildx", "inspect"], ["compose", "version"])
TASKS = """\
from invoke.collection import Collection
from goldi_tasks.tasks import build, cache

ns = Collection(build, cache)
"""


def is_question(argv: list[str]) -> bool:
    return "--print" in argv or any(argv[: len(words)] == words for words in QUESTIONS)


def test_a_build_that_goes_well_ends_with_a_summary(stage: Stage) -> None:
    name = "docker.io/library/three-bears:latest"
    stage.docker.answer("buildx bake", metadata={"production": {"image.name": name}, "buildx.build.warnings": []})
    stage.docker.answer("image ls", stdout="0123456789ab 141MB\n")
    done = stage.goldi("build.prod")
    assert done.returncode == 0, done.stderr
    assert "three-bears:latest  0123456789ab  141MB\n" in done.stdout
    assert " s, context " in done.stdout.splitlines()[-1]
    bake = stage.docker.only("bake")
    assert bake["argv"][-1] == "production"
    assert bake["cwd"] == str(stage.project)


def test_the_bake_files_variables_reach_it_whatever_the_environment_says(stage: Stage) -> None:
    stage.env["GOLDI_PROJECT_KEY"] = "from elsewhere"
    assert stage.goldi("build.prod", "--platform", "linux/arm64").returncode == 0
    env = stage.docker.only("bake")["env"]
    assert env["GOLDI_CACHE_ROOT"] == str(stage.caches)
    assert env["GOLDI_PLATFORMS"] == "linux/arm64"
    assert env["GOLDI_IMAGE"] == "three-bears"
    assert env["GOLDI_PROJECT_KEY"].startswith("the-pro-ject-")
    directory = stage.caches / ".buildx-cache-production" / env["GOLDI_PROJECT_KEY"] / env["GOLDI_PLATFORM_KEY"]
    assert directory.is_dir(), "bake wants it to exist"


@pytest.mark.parametrize("code", [1, 7, 130])
def test_the_exit_code_is_buildxs(stage: Stage, code: int) -> None:
    stage.docker.answer("buildx bake", code=code, stderr="ERROR: from buildx\n")
    done = stage.goldi("build.prod")
    assert done.returncode == code
    assert done.stderr == f"ERROR: from buildx\ngoldi: docker buildx ended with exit code {code}.\n"
    stage.docker.only("bake")


@pytest.mark.parametrize("program", ["goldi", "inv"])
def test_quoting_survives(stage: Stage, program: str) -> None:
    (stage.project / "tasks.py").write_text(TASKS, encoding="utf-8")
    done = stage.run(str(BIN / program), "build.prod", "--set", AWKWARD, "--set", "*.tags=e:f")
    assert done.returncode == 0, done.stderr
    argv = stage.docker.only("bake")["argv"]
    sets = [value for flag, value in itertools.pairwise(argv) if flag == "--set"]
    assert sets[-2:] == [AWKWARD, "*.tags=e:f"]
    assert not list(stage.project.rglob("pwned"))


def test_options_become_buildxs(stage: Stage) -> None:
    stage.env["GOLDI_REGISTRY"] = "127.0.0.1:1"
    assert stage.goldi("build.target", "tools", "--no-cache", "--pull", "--push", "--progress", "plain").returncode == 0
    argv = stage.docker.only("bake")["argv"]
    assert {"--no-cache", "--pull", "tools.output=type=image,push=true,compression=gzip,force-compression=true"} < set(
        argv
    )
    assert argv[argv.index("--progress") + 1] == "rawjson", "what is shown is made from it"
    assert argv[-1] == "tools"


@pytest.mark.parametrize(
    ("task", "targets"),
    [
        ("build.prod", ["production"]),
        ("build.dev", ["development"]),
        ("build.tools", ["tools"]),
        ("build.devcontainer", ["devcontainer"]),
        ("build.all", ["builder", "tools", "runtime", "production", "devcontainer"]),
    ],
)
def test_which_task_builds_what(stage: Stage, task: str, targets: list[str]) -> None:
    assert stage.goldi(task).returncode == 0
    assert stage.docker.only("bake")["argv"][-len(targets) :] == targets


def test_a_project_is_built_from_anywhere_in_it(stage: Stage) -> None:
    inner = stage.project / "a" / "b"
    inner.mkdir(parents=True)
    assert stage.goldi("build.prod", cwd=inner).returncode == 0
    assert stage.docker.only("bake")["cwd"] == str(stage.project)


def test_dry_asks_questions_shows_the_command_and_does_nothing(stage: Stage) -> None:
    done = stage.goldi("--dry", "build.prod", "--set", AWKWARD)
    assert done.returncode == 0, done.stderr
    assert all(is_question(argv) for argv in stage.docker.calls), stage.docker.calls
    assert not stage.caches.exists()
    shown = shlex.split(done.stdout)
    assert AWKWARD in shown
    assert shown[shown.index("docker") : shown.index("docker") + 3] == ["docker", "buildx", "bake"]


def test_what_is_told_to_download_steps_is_never_shown(stage: Stage) -> None:
    stage.env["PIP_INDEX_URL"] = "https://user:hunter2@mirror.example/simple"
    done = stage.goldi("--dry", "build.prod")
    assert "GOLDI_BUILD_ENV=***" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    assert stage.goldi("build.prod").returncode == 0
    bake = stage.docker.only("bake")
    assert f"export PIP_INDEX_URL={stage.env['PIP_INDEX_URL']}\n" in bake["env"]["GOLDI_BUILD_ENV"]
    assert "hunter2" not in str(bake["argv"])


def test_a_corrupt_local_cache_is_dropped_and_the_build_done_again(stage: Stage) -> None:
    assert stage.goldi("build.prod").returncode == 0
    (cache,) = stage.caches.glob(".buildx-cache-production/*/native")
    layer = next(blob for blob in cache.rglob("blobs/sha256/*") if blob.read_bytes() == b"layer")
    layer.write_bytes(b"lAyer")
    stage.docker.answer("buildx bake", code=[0, 1, 0])
    done = stage.goldi("build.prod")
    assert done.returncode == 0, done.stderr
    assert f"goldi: corrupt local cache dropped, trying again: {cache}" in done.stdout
    assert layer.read_bytes() == b"layer", "it is exported anew"
    kept = sum("*.output=type=cacheonly" in argv for argv in stage.docker.calls)
    built = sum("bake" in argv and "--print" not in argv for argv in stage.docker.calls) - kept
    assert (built, kept) == (3, 2)


def test_an_unsound_local_cache_is_dropped_before_it_fails_the_build(stage: Stage) -> None:
    assert stage.goldi("build.prod").returncode == 0
    (cache,) = stage.caches.glob(".buildx-cache-production/*/native")
    (cache / "index.json").write_text("{")
    done = stage.goldi("build.prod")
    assert f"goldi: damaged local cache dropped: {cache}" in done.stdout
    assert sum("bake" in argv and "--print" not in argv for argv in stage.docker.calls) == 4
    assert (cache / "index.json").read_text() != "{"


def test_at_last_a_build_is_done_without_the_cache(stage: Stage) -> None:
    lost = (
        "ERROR: failed to solve: failed to prepare sha256:0 as x: parent snapshot sha256:0 does not exist: not found\n"
    )
    stage.docker.answer("buildx bake", code=[1, 1, 1, 0], stderr=lost)
    done = stage.goldi("build.prod")
    assert done.returncode == 0, done.stderr
    built = [argv for argv in stage.docker.calls if "--metadata-file" in argv]
    assert [("*.cache-from=" in argv) for argv in built] == [False, False, True, True]
    assert [("--no-cache" in argv) for argv in built] == [False, False, False, True]


def test_verify_drops_what_is_bad_and_says_so(stage: Stage) -> None:
    assert stage.goldi("build.prod").returncode == 0
    (cache,) = stage.caches.glob(".buildx-cache-production/*/native")
    done = stage.goldi("cache.verify")
    assert done.stdout.startswith("good: 2 blobs, ")
    assert "1 local caches, 0 bad" in done.stdout
    next(blob for blob in cache.rglob("blobs/sha256/*") if blob.read_bytes() == b"layer").write_bytes(b"lAyer")
    for _ in range(2):
        done = stage.goldi("cache.verify", "--dry-run")
        assert (done.returncode, cache.exists()) == (13, True)
        remedy = "Run `goldi cache.verify` to delete them: builds create them again."
        assert done.stderr == f"goldi: 1 local caches are damaged. {remedy}\n"
    done = stage.goldi("cache.verify", "--json")
    (told,) = json.loads(done.stdout)
    assert (done.returncode, told["dropped"], len(told["bad"]), cache.exists()) == (0, True, 1, False)
    assert stage.goldi("cache.verify").stdout == "0 local caches, 0 bad, 0 B read\n"


def test_a_local_cache_that_cannot_be_kept_costs_a_warning(stage: Stage) -> None:
    stage.docker.answer("buildx keep", code=1, stderr="ERROR: no space left on device\n")
    done = stage.goldi("build.prod")
    assert done.returncode == 0
    assert "no space left on device" in done.stderr
    assert "goldi: the local cache was not exported: docker buildx ended with exit code 1." in done.stderr


def test_a_small_change_is_not_worth_an_export(stage: Stage) -> None:
    stage.env.pop("CI", None)
    assert stage.goldi("build.prod").returncode == 0

    def kept(*flags: str) -> int:
        before = len(stage.docker.calls)
        assert stage.goldi("build.prod", "--force", *flags).returncode == 0
        return sum("*.output=type=cacheonly" in argv for argv in stage.docker.calls[before:])

    assert kept() == 0
    stage.docker.answer("buildx bake", stderr=streams.text("cold"))
    assert kept() == 0, "seven short steps"
    assert kept("--keep-cache") == 1


def test_a_prune_during_the_build_costs_another_try(stage: Stage) -> None:
    # As buildx 0.13.1 says it when the builder's cache is pruned between the last step and the end.
    stage.docker.answer("buildx bake", code=[1, 0, 1, 1], stderr="ERROR: failed to solve: not found\n")
    done = stage.goldi("build.prod")
    assert done.returncode == 0, done.stderr
    assert "goldi: the builder's cache changed during the build, building again" in done.stdout
    again = stage.goldi("build.prod", "--force")
    assert again.returncode == 1
    assert again.stderr.endswith("goldi: docker buildx ended with exit code 1.\n")


def test_a_step_that_the_builder_has_lost_costs_another_try(stage: Stage) -> None:
    # As buildx 0.13.1 said it while a build that shared the step was interrupted.
    lost = "failed to get state for index 0 on [base 4/8] WORKDIR /build"
    error = f"ERROR: failed to solve: failed to compute cache key: {lost}\n"
    stage.docker.answer("buildx bake", code=[1, 0], stderr=error)
    done = stage.goldi("build.prod")
    assert done.returncode == 0, done.stderr
    assert "goldi: the builder's cache changed during the build, building again" in done.stdout


def test_another_thing_that_is_not_found_costs_none(stage: Stage) -> None:
    stage.docker.answer("buildx bake", code=1, stderr="ERROR: failed to solve: python:4: not found\n")
    assert stage.goldi("build.prod").returncode == 1
    stage.docker.only("bake")


def test_the_classic_store_is_told_once_and_gets_no_local_export(stage: Stage) -> None:
    stage.docker.answer("info", stdout=json.dumps(CLASSIC))
    done = stage.goldi("build.prod")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("exports no local cache") == 1
    argv = stage.docker.only("bake")["argv"]
    assert "*.cache-to=" in argv
    assert not any("type=local" in word for word in argv)


def test_the_guides_builder_is_used_on_the_classic_store(stage: Stage) -> None:
    stage.docker.answer("info", stdout=json.dumps(CLASSIC))
    stage.docker.answer("buildx ls", stdout=BUILDX_LS_GUIDE)
    done = stage.goldi("build.prod")
    assert "exports no local cache" not in done.stdout
    assert stage.docker.only("bake")["argv"][:3] == ["buildx", "--builder", "goldilocks-builder"]


def test_ctrl_c_ends_the_build(stage: Stage) -> None:
    stage.docker.answer("buildx bake", sleep=60)
    argv = (str(BIN / "goldi"), "build.prod")
    pipe = subprocess.PIPE
    # A session of its own: only goldi is told, as by a program that stops it, and not its child.
    with subprocess.Popen(
        argv, cwd=stage.project, env=stage.env, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as goldi:
        child = ready(stage)
        goldi.send_signal(signal.SIGINT)
        _, said = goldi.communicate(timeout=20)
    assert goldi.returncode == 130
    assert said == "goldi: interrupted.\n"
    assert {"signal": "SIGINT", "pid": child} in stage.docker.log
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_list(stage: Stage) -> None:
    shown = {
        "group": {"default": {"targets": ["m", "production"]}, "m": {"targets": ["m-1"]}},
        "target": {"m-1": {"tags": ["bears:1", "other"]}, "production": {"tags": ["three-bears:latest"]}},
    }
    stage.docker.answer("buildx print", stdout=json.dumps(shown))
    done = stage.goldi("build.list", "--json")
    rows = {(row["name"], row["kind"]): row["of"] for row in json.loads(done.stdout)}
    assert rows == {
        ("m", "group"): "m-1",
        ("default", "group"): "production",
        ("m-1", "target"): "bears:1",
        ("production", "target"): "three-bears:latest",
    }


def test_list_where_bake_says_nothing(stage: Stage) -> None:
    done = stage.goldi("build.list", "--json")
    rows = {(row["name"], row["kind"]): row["of"] for row in json.loads(done.stdout)}
    assert rows["production", "target"] == "${GOLDI_IMAGE}:${GOLDI_TAG}"
    assert rows["development", "group"] == "tools devcontainer"
    assert ("_common", "target") not in rows
    assert "production" in stage.goldi("build.list").stdout
    assert all("--print" in argv for argv in stage.docker.calls)


def test_print_is_bakes_own_and_needs_no_engine(stage: Stage) -> None:
    stage.docker.answer("buildx print", stdout='{"target": {}}\n')
    done = stage.goldi("build.print", "--target", "tools")
    assert (done.returncode, done.stdout) == (0, '{"target": {}}\n')
    (call,) = stage.docker.calls
    assert call[-2:] == ["--print", "tools"]


def test_the_builder_is_created_as_the_guide_does(stage: Stage) -> None:
    create = ["buildx", "create", "--name", "goldilocks-builder", "--driver", "docker-container", "--bootstrap"]
    assert stage.goldi("build.builder", "--create").returncode == 0
    assert [argv for argv in stage.docker.calls if not is_question(argv)] == [create]


def test_where_the_builder_is_enough_no_cache_is_kept_beside_it(stage: Stage) -> None:
    stage.env |= {"GOLDI_CACHE_BACKEND": "none"}
    for options in ((), ("--force", "--keep-cache")):
        assert stage.goldi("build.prod", *options).returncode == 0
    built = [argv for argv in stage.docker.calls if "bake" in argv and "--print" not in argv]
    assert all("production.cache-from=" in argv and "*.output=type=cacheonly" not in argv for argv in built)
    assert not list(stage.caches.rglob("index.json"))


def test_the_builder_gets_the_projects_rules_of_what_it_keeps(stage: Stage) -> None:
    config = stage.project / "infrastructure/docker/buildkitd.toml"
    config.touch()
    for option in ("--create", "--reset"):
        assert stage.goldi("build.builder", option).returncode == 0
        assert stage.docker.calls[-1][-2:] == ["--buildkitd-config", str(config)]


def test_a_builder_that_is_there_is_left_or_reset(stage: Stage) -> None:
    stage.docker.answer("buildx ls", stdout=BUILDX_LS_GUIDE)
    stage.docker.answer("buildx inspect", stdout="Nodes:\nStatus: running\n")
    assert "exists already" in stage.goldi("build.builder", "--create").stdout
    assert "goldilocks-builder exists\n" in stage.goldi("build.builder").stdout
    assert all(is_question(argv) for argv in stage.docker.calls)
    assert stage.goldi("build.builder", "--reset").returncode == 0
    acts = [argv for argv in stage.docker.calls if not is_question(argv)]
    assert [argv[:2] for argv in acts] == [["buildx", "rm"], ["buildx", "create"]]


@pytest.mark.parametrize("program", ["goldi", "inv"])
def test_the_list_of_tasks_describes_every_one_and_starts_nothing(stage: Stage, program: str) -> None:
    (stage.project / "tasks.py").write_text(TASKS, encoding="utf-8")
    done = stage.run(str(BIN / program), "--list")
    assert done.returncode == 0, done.stderr
    names = [line.split() for line in done.stdout.splitlines() if line.startswith("  ") and line[2] != " "]
    assert {"build.prod", "build.list", "cache.setup"} <= {words[0] for words in names}
    assert all(len(words) > 2 for words in names)
    assert stage.docker.calls == []


def test_the_list_of_tasks_loads_no_slow_library(stage: Stage) -> None:
    slow = {"docker", "rich", "requests", "nox", "asyncio", "http.client", "unittest.mock"}
    code = f"""
import atexit, sys
atexit.register(lambda: print({slow} & sys.modules.keys()))
from goldi_tasks.cli import main
main()
"""
    assert stage.run(sys.executable, "-c", code, "--list", cwd=Path("/")).stdout.endswith("\nset()\n")


def test_a_failure_of_nothing_of_ours_is_not_hidden_by_a_retry(stage: Stage) -> None:
    stage.docker.answer("buildx bake", code=1)
    assert stage.goldi("build.prod").returncode == 1
    assert one_sentence(stage.goldi("build.prod")) == "goldi: docker buildx ended with exit code 1."
    assert sum("bake" in argv and "--print" not in argv for argv in stage.docker.calls) == 2


def test_a_target_of_the_projects_own_is_built_and_has_no_cache_of_ours(stage: Stage) -> None:
    file = stage.project / "infrastructure/docker/docker-bake.json"
    bake = json.loads(file.read_text())
    bake["target"]["docs"] = {"inherits": ["_common"], "target": "docs", "tags": ["docs:latest"]}
    file.write_text(json.dumps(bake))
    done = stage.goldi("build.target", "docs")
    assert done.returncode == 0, done.stderr
    assert stage.docker.only("bake")["argv"][-1] == "docs"
    assert not list(stage.caches.glob(".buildx-cache-*"))


OURS = {"PYTHON_IMAGE": "localhost/goldi/python:3.13-trixie", "NODE_IMAGE": "localhost/goldi/node:20-trixie"}
LISTED = "image ls --format {{.Repository}}:{{.Tag}}"


@pytest.fixture
def offline(stage: Stage) -> Stage:
    """No registry answers, and the engine has the images that `engine.up` made for another checkout."""
    stage.docker.answer(LISTED, stdout="\n".join(OURS.values()))
    for asked in ("buildx imagetools", "pull", *(f"image inspect {name}" for name in ("python", "node"))):
        stage.docker.answer(asked, code=1)
    stage.docker.answer("image inspect", code=1)
    return stage


def test_without_a_registry_the_base_images_that_are_here_are_used(offline: Stage) -> None:
    done = offline.goldi("build.prod")
    assert done.returncode == 0, done.stderr
    file = offline.project / "infrastructure/docker/.env"
    assert f"no registry answers: {file} names {', '.join(OURS.values())} and {DATABASE_MADE}" in done.stdout
    assert offline.docker.only("bake")["env"].items() >= OURS.items()
    named = [f"{name}={value}" for name, value in (OURS | BUILT).items()]
    assert file.read_text(encoding="utf-8").splitlines() == named
    # It is asked once.
    count = len(offline.docker.calls)
    assert "registry" not in offline.goldi("build.prod", "--force").stdout
    assert not [call for call in offline.docker.calls[count:] if call[0] == "pull" or "imagetools" in call]


@pytest.mark.parametrize(
    ("answer", "env"),
    [
        ("buildx imagetools", {}),
        ("pull", {}),
        (LISTED, {}),
        ("", {"PYTHON_IMAGE": "mirror.example/python:3"}),
    ],
    ids=["a registry answers", "a mirror of the engine answers", "ours are not here", "the user chose"],
)
def test_else_the_projects_own_stay(offline: Stage, answer: str, env: dict[str, str]) -> None:
    if answer:
        offline.docker.answer(answer)
    offline.env |= env
    assert offline.goldi("build.prod").returncode == 0
    assert not offline.docker.only("bake")["env"]["PYTHON_IMAGE"].startswith("localhost/")
    assert not (offline.project / "infrastructure/docker/.env").exists()


def test_nothing_is_written_where_all_is_only_shown(offline: Stage) -> None:
    assert offline.goldi("--dry", "build.prod").returncode == 0
    assert not (offline.project / "infrastructure/docker/.env").exists()


def test_engine_up_makes_ready_what_builds_and_plain_compose_need(offline: Stage) -> None:
    """The names of images, the database that compose builds, this machine, and the directories that are mounted."""
    folder = offline.project / "infrastructure/docker"
    (folder / "docker-compose.yml").touch()
    for name in OURS.values():
        offline.docker.answer(f"image inspect {name}")
    done = offline.goldi("engine.up")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"names {', '.join(OURS.values())} and {DATABASE_MADE}, which is built when" in done.stdout
    lines = (folder / ".env").read_text(encoding="utf-8").splitlines()
    assert [f"{name}={value}" for name, value in (OURS | BUILT).items()] == lines[:4]
    assert {"GOLDI_PROJECT", "GOLDI_PROJECT_KEY", "GOLDI_UID", "GOLDI_CACHE_ROOT"} <= {
        line.partition("=")[0] for line in lines
    }
    assert (offline.caches / "pip-cache").is_dir()
    # With a registry none of them is named.
    (folder / ".env").unlink()
    offline.docker.answer("buildx imagetools")
    assert offline.goldi("engine.up").returncode == 0
    assert "_IMAGE=" not in (folder / ".env").read_text(encoding="utf-8")


def test_no_names_are_written_inside_a_container(offline: Stage) -> None:
    offline.env |= {"GOLDI_INSIDE": "tools"}
    offline.goldi("build.prod")
    assert not (offline.project / "infrastructure/docker/.env").exists()
