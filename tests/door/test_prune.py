"""`goldi cache.prune`, and the limits that are kept without being asked."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from goldi_tasks.paths import TAG_FILE, project_key
from tests.door.conftest import BIN, Stage, one_sentence, ready
from tests.recording import DU

pytestmark = pytest.mark.door


def aged(stage: Stage, cache: str, key: str, days: float, size: int = 100_000) -> Path:
    """What a project has in a cache and did not use for so many days."""
    folder = stage.caches / cache / key
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file").write_bytes(b"x" * size)
    for path in (folder / "deep" / "file", folder / "deep", folder):
        os.utime(path, (time.time() - days * 86400,) * 2)
    return folder


def test_prune_by_age_shows_first_and_says_what_it_freed(stage: Stage) -> None:
    stage.goldi("cache.setup")
    old, young = aged(stage, "mypy-cache", "old-0123abcd", 70), aged(stage, "mypy-cache", "young-0123abcd", 10)
    stage.docker.answer("buildx du", stdout=DU)
    dry = stage.goldi("cache.prune", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "mypy-cache/old-0123abcd: not used for 70 days" in dry.stdout
    assert "young" not in dry.stdout
    assert (old.exists(), [call for call in stage.docker.calls if "prune" in call]) == (True, [])
    stage.docker.answer("buildx prune", stdout="ID\nabc\nTotal:\t1.5GB\n")
    done = stage.goldi("cache.prune")
    assert done.returncode == 0, done.stderr
    shown, acted = done.stdout.split("\n\n")
    assert "mypy-cache/old-0123abcd: not used for 70 days" in shown
    assert "106 kB  mypy-cache/old-0123abcd: freed" in acted
    assert "1.5 GB  builder: freed" in acted
    assert (old.exists(), young.exists()) == (False, True)
    assert not list(stage.caches.glob("*/.goldi-removed-*"))
    assert [call for call in stage.docker.calls if call[:2] == ["buildx", "prune"]] == [
        ["buildx", "prune", "--force", "--filter", "until=5184000s"]
    ]


def test_prune_by_size_takes_what_was_not_used_longest(stage: Stage) -> None:
    stage.goldi("cache.setup")
    folders = [aged(stage, "ruff-cache", f"p{days}-0123abcd", days, 1_000_000) for days in (1, 2, 3, 4)]
    stage.docker.answer("buildx prune --help", stdout="      --keep-storage bytes\n")
    told = json.loads(stage.goldi("cache.prune", "--size", "2500kB", "--age", "0", "--json").stdout)
    assert [folder.exists() for folder in folders] == [True, True, False, False]
    assert [row["key"] for row in told["rows"] if row["how"] == "remove"] == ["p4-0123abcd", "p3-0123abcd"]
    assert told["freed"] == sum(row["freed"] for row in told["rows"]) >= 2_000_000
    assert told["over"] == 0
    assert ["buildx", "prune", "--force", "--keep-storage", "2500000"] in stage.docker.calls


def test_newer_buildx_is_told_what_to_reserve(stage: Stage) -> None:
    stage.docker.answer("buildx prune --help", stdout="  --max-used-space bytes\n  --reserved-space bytes\n")
    assert stage.goldi("cache.prune", "--size", "1GB", "--age", "0").returncode == 0
    assert ["buildx", "prune", "--force", "--reserved-space", "1000000000"] in stage.docker.calls


def test_prune_leaves_what_is_not_old_files_of_projects(stage: Stage) -> None:
    """The current project's, unless named; what is no project's; a link; a cache that is not ours."""
    stage.goldi("cache.setup")
    own = aged(stage, "mypy-cache", project_key(stage.project), 70)
    other = aged(stage, "mypy-cache", "no key", 70)
    precious = aged(stage, "elsewhere", "precious-0123abcd", 70)
    (stage.caches / "mypy-cache" / "link-0123abcd").symlink_to(precious)
    os.utime(stage.caches / "mypy-cache" / "link-0123abcd", (1e9, 1e9), follow_symlinks=False)
    foreign = aged(stage, "pytest-cache", "old-0123abcd", 70)
    (stage.caches / "pytest-cache" / TAG_FILE).unlink()
    done = stage.goldi("cache.prune", "--age", "1d", "--size", "1B", "--no-builder")
    assert done.returncode == 0, done.stdout + done.stderr
    assert own.exists()
    assert other.exists()
    assert foreign.exists()
    assert (precious / "deep/file").exists()
    done = stage.goldi("cache.prune", "--age", "1d", "--name", "mypy-cache")
    assert f"mypy-cache/{own.name}: freed" in done.stdout.replace("\n            ", ": ")
    assert not own.exists()


def test_prune_leaves_what_a_running_container_has_mounted(stage: Stage) -> None:
    stage.goldi("cache.setup")
    held, volume, old = (aged(stage, "mypy-cache", f"{name}-0123abcd", 70) for name in ("held", "volume", "old"))
    mounts = [{"Type": "bind", "Source": str(held)}, {"Type": "volume", "Name": "v", "Source": "/var/lib/docker/v"}]
    stage.docker.answer("ps", stdout="abc\n")
    stage.docker.answer("inspect", stdout=json.dumps(mounts) + "\n")
    stage.docker.answer("volume inspect", stdout=json.dumps({"device": str(volume)}) + "\n")
    done = stage.goldi("cache.prune", "--no-builder")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("left alone: a running container has it mounted") == 2
    assert (held.exists(), volume.exists(), old.exists()) == (True, True, False)


def test_prune_runs_the_tools_own_command_in_an_image_that_has_it(stage: Stage) -> None:
    stage.goldi("cache.setup")
    (stage.caches / "uv-cache" / "wheel").touch()
    stage.docker.answer("image ls", stdout="three-bears:tools\n")
    done = stage.goldi("cache.prune", "--name", "uv-cache", "--age", "0")
    assert done.returncode == 0, done.stderr
    call = stage.docker.only("three-bears:tools")["argv"]
    assert call[-5:] == ["--entrypoint", "uv", "three-bears:tools", "cache", "prune"]
    assert f'"source={stage.caches / "uv-cache"}"' in " ".join(call)
    stage.docker.answer("run", code=1, stderr="error: it broke")
    done = stage.goldi("cache.prune", "--name", "uv-cache", "--age", "0")
    assert done.returncode == 13
    assert "uv-cache could not be pruned: docker run: error: it broke" in one_sentence(done)


def test_prune_takes_old_files_of_pip(stage: Stage) -> None:
    stage.goldi("cache.setup")
    for name, days in (("old", 40), ("young", 1)):
        file = stage.caches / "pip-cache" / "http-v2" / name / "body"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"x" * 10_000)
        for path in (file, file.parent):
            os.utime(path, (time.time() - days * 86400,) * 2)
    done = stage.goldi("cache.prune", "--name", "pip-cache", "--age", "30d")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (stage.caches / "pip-cache" / "http-v2").iterdir()] == ["young"]
    assert (stage.caches / "pip-cache" / TAG_FILE).exists()


@pytest.mark.parametrize("arguments", [("--age", "soon"), ("--size", "20")])
def test_prune_by_what_is_no_amount(stage: Stage, arguments: tuple[str, ...]) -> None:
    done = stage.goldi("cache.prune", *arguments)
    assert done.returncode == 3
    assert "0 is no limit" in one_sentence(done)


def test_prune_waits_for_a_build_and_says_for_which(stage: Stage) -> None:
    stage.goldi("cache.setup")
    old = aged(stage, "mypy-cache", "old-0123abcd", 70)
    stage.docker.answer("buildx bake", sleep=30)
    goldi = str(BIN / "goldi")
    build = subprocess.Popen(
        (goldi, "build.prod"), cwd=stage.project, env=stage.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    ready(stage)
    with subprocess.Popen(
        (goldi, "cache.prune", "--no-builder"),
        cwd=stage.project,
        env={**stage.env, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as prune:
        assert prune.stdout
        said = next(line for line in prune.stdout if "waiting" in line)
        assert f"goldi build.prod (process {build.pid})" in said
        assert old.exists()
        build.send_signal(signal.SIGINT)
        build.wait(timeout=30)
        prune.communicate(timeout=30)
    assert prune.returncode == 0
    assert not old.exists()


@pytest.mark.parametrize(("task", "asked"), [("cache.prune", "prune"), ("cache.prune", "du"), ("cache.status", "du")])
def test_ctrl_c_while_the_builder_is_asked_is_no_failure_of_it(stage: Stage, task: str, asked: str) -> None:
    stage.goldi("cache.setup")
    stage.docker.answer("buildx du", stdout=DU)
    stage.docker.answer(f"buildx {asked}", sleep=60)
    process = subprocess.Popen(
        (str(BIN / "goldi"), task),
        cwd=stage.project,
        env=stage.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    ready(stage)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.splitlines()[-1:]) == (130, ["goldi: interrupted."]), err


def test_limits_are_kept_after_a_build_once_a_day(stage: Stage) -> None:
    stage.goldi("cache.setup")
    old = aged(stage, "mypy-cache", "old-0123abcd", 70)
    notes = Path(stage.env["HOME"], ".local/state/goldi")
    (notes / "inputs").mkdir(parents=True, exist_ok=True)
    (notes / "inputs/old-0123abcd.json").write_text("{}")
    os.utime(notes / "inputs/old-0123abcd.json", (1e9, 1e9))
    done = stage.goldi("build.prod")
    assert done.returncode == 0, done.stderr
    assert " kB of unused caches (see max-age, max-size)" in done.stderr
    assert not old.exists()
    assert not (notes / "inputs/old-0123abcd.json").exists()
    assert (notes / "projects" / project_key(stage.project)).read_text() == str(stage.project)
    again = aged(stage, "mypy-cache", "old-0123abcd", 70)
    assert stage.goldi("build.prod").returncode == 0
    assert again.exists(), "it was done today"
    os.utime(notes / "tidied", (1e9, 1e9))
    stage.env["GOLDI_MAX_AGE"] = "0"
    assert stage.goldi("build.prod", "--force").returncode == 0
    assert again.exists(), "no limit"
