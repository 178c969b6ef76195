"""`goldi cache.*` on a root with a space, a comma and a letter that is not ASCII."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from goldi_tasks.paths import BY_NAME, CACHES, TAG_FILE, project_key
from tests.door.conftest import BIN, Stage, one_sentence
from tests.recording import DU

pytestmark = pytest.mark.door


def test_set_up_and_again(stage: Stage) -> None:
    for _ in range(2):
        done = stage.goldi("cache.setup")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith(f"cache directories are ready in {stage.caches}\n")
    assert {path.name for path in stage.caches.iterdir()} == set(BY_NAME)


def test_set_up_asks_the_engine_whether_it_sees_the_root(stage: Stage) -> None:
    stage.docker.answer("create", code=1, stderr="Error: bind source path does not exist: /x\n")
    done = stage.goldi("cache.setup")
    assert done.returncode == 0
    assert f"goldi: the engine does not see {stage.caches}" in done.stdout
    mount = stage.docker.only("create")["argv"]
    assert f'"source={stage.caches}/goldi-probe-' in mount[mount.index("--mount") + 1]
    assert not list(stage.caches.glob("goldi-probe-*"))


def test_set_up_needs_no_docker_and_no_project(stage: Stage, tmp_path: Path) -> None:
    stage.env |= {"PATH": str(tmp_path / "home"), "GOLDI_CACHE_ROOT": str(tmp_path / "other")}
    done = stage.goldi("cache.setup", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "other" / "pip-cache" / TAG_FILE).exists()


def test_dry_makes_and_clears_nothing(stage: Stage) -> None:
    assert stage.goldi("--dry", "cache.setup").stdout == f"would make the cache directories in {stage.caches}\n"
    assert not stage.caches.exists()
    stage.goldi("cache.setup")
    (stage.caches / "pip-cache" / "wheel").touch()
    for words in (("--dry", "cache.clear"), ("cache.clear", "--dry-run")):
        done = stage.goldi(*words, "--name", "pip-cache")
        assert done.returncode == 0
        assert "1 of 2 files would be freed" in done.stdout
        assert str(stage.caches / "pip-cache") in done.stdout
        assert (stage.caches / "pip-cache" / "wheel").exists()


def test_a_dry_run_tells_what_would_be_left_and_why(stage: Stage) -> None:
    stage.goldi("cache.setup")
    (stage.caches / "uv-cache" / TAG_FILE).unlink()
    (stage.caches / "npm-cache" / TAG_FILE).unlink()
    (stage.caches / "npm-cache").rmdir()
    (stage.caches / "npm-cache").symlink_to("/etc")
    shutil.rmtree(stage.caches / "ruff-cache")
    done = stage.goldi("cache.clear", "--all", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "uv-cache has no CACHEDIR.TAG of a cache" in lines["uv-cache"]
    assert "npm-cache is a symbolic link" in lines["npm-cache"]
    assert "not there" in lines["ruff-cache"]
    assert "would be freed" in lines["all"]


def test_clear_for_scripts(stage: Stage) -> None:
    stage.goldi("cache.setup")
    (stage.caches / "pip-cache" / "wheel").write_bytes(b"x" * 100_000)
    told = []
    for more in (("--dry-run",), ()):
        done = stage.goldi("cache.clear", "--name", "pip-cache", "--json", *more)
        assert "pip-cache" in done.stderr
        told.append(json.loads(done.stdout))
    assert [one.pop("dry_run") for one in told] == [True, False]
    assert told[0] == told[1]
    row = told[1]["caches"][0]
    assert 100_000 <= row["freed"] == told[1]["freed"] < 200_000
    assert (row["removed"], row["files"], row["left"], row["refused"]) == (1, 2, [], "")
    assert (row["path"], row["scope"]) == (str(stage.caches / "pip-cache"), "shared")


def test_clear_for_scripts_when_something_stays(stage: Stage) -> None:
    (stage.caches / "pip-cache").mkdir(parents=True)
    done = stage.goldi("cache.clear", "--name", "pip-cache", "--json")
    assert done.returncode == 13
    assert "has no CACHEDIR.TAG" in json.loads(done.stdout)["caches"][0]["refused"]


def test_only_this_project(stage: Stage, tmp_path: Path) -> None:
    stage.goldi("cache.setup")
    key = project_key(stage.project)
    for name in (f"mypy-cache/{key}", "mypy-cache/other-0123abcd", "pip-cache"):
        (stage.caches / name).mkdir(exist_ok=True)
        (stage.caches / name / "file").touch()
    assert stage.goldi("cache.clear", "--project").returncode == 0
    assert not (stage.caches / "mypy-cache" / key / "file").exists()
    assert (stage.caches / "mypy-cache" / key).exists()
    assert (stage.caches / "mypy-cache/other-0123abcd/file").exists()
    assert (stage.caches / "pip-cache/file").exists()
    done = stage.goldi("cache.clear", "--project", "--name", "pip-cache")
    assert done.returncode == 5
    assert "shared by all projects" in one_sentence(done)
    done = stage.goldi("cache.clear", "--project", cwd=tmp_path)
    assert done.returncode == 4
    assert "no pyproject.toml" in one_sentence(done)


def test_no_root_yet(stage: Stage) -> None:
    done = stage.goldi("cache.clear", "--all")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("not there") == len(CACHES)
    assert not stage.caches.exists()


def test_a_root_that_is_a_file(stage: Stage) -> None:
    stage.caches.touch()
    done = stage.goldi("cache.clear", "--all")
    assert done.returncode == 13
    assert "is not a directory. Choose another root" in one_sentence(done)


def test_ctrl_c_says_what_was_freed_so_far(stage: Stage) -> None:
    stage.goldi("cache.setup")
    folder = stage.caches / "pip-cache"
    # So many that they are not gone before the signal comes.
    for number in range(30):
        (folder / str(number)).mkdir()
        for file in range(1000):
            (folder / str(number) / str(file)).symlink_to("x")
    process = subprocess.Popen(
        (str(BIN / "goldi"), "cache.clear", "--name", "pip-cache", "--json"),
        cwd=stage.project,
        env=stage.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while len(list(folder.iterdir())) > 28:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "goldi: interrupted."
    told = json.loads(out)
    assert told["interrupted"]
    left = sum(len(files) for _, _, files in os.walk(folder))
    # The signal may come between a file's end and the note of it.
    assert 30_000 - told["removed"] - (left - 1) in (0, 1)


def add(stage: Stage, *programs: str) -> None:
    """Put real programs beside docker on PATH."""
    for name in programs:
        (stage.docker.folder / name).symlink_to(shutil.which(name) or "")


@pytest.mark.parametrize("programs", [(), ("sh", "xargs", "du")], ids=["our own pass", "du"])
def test_status_for_scripts(stage: Stage, programs: tuple[str, ...]) -> None:
    add(stage, *programs)
    stage.docker.answer("buildx du", stdout=DU)
    stage.goldi("cache.setup")
    (stage.caches / "pip-cache" / "wheel").write_bytes(b"x" * 100_000)
    (stage.caches / "pip-cache" / "link").symlink_to("/usr")
    (stage.caches / "mypy-cache" / "other-0123abcd" / "deep").mkdir(parents=True)
    (stage.caches / "mypy-cache" / "other-0123abcd" / "deep" / "file").write_bytes(b"x" * 10_000)
    told = json.loads(stage.goldi("cache.status", "--json").stdout)
    rows = {row["name"]: row for row in told["caches"]}
    assert list(rows) == [cache.name for cache in CACHES]
    pip = rows["pip-cache"]
    assert pip["path"] == str(stage.caches / "pip-cache")
    assert (pip["exists"], pip["files"], pip["tagged"], pip["scope"]) == (True, 3, True, "shared")
    assert (pip["refused"], pip["unreadable"], pip["projects"]) == ("", [], [])
    assert 100_000 <= pip["bytes"] < 200_000
    assert pip["last_use"].endswith("+00:00")
    assert pip["capacity"] > pip["free"] > 0
    project = next(part for part in rows["mypy-cache"]["projects"] if part["key"] == "other-0123abcd")
    assert (project["files"], project["project"]) == (1, "")
    assert 10_000 <= project["bytes"] < 50_000
    assert told["files"] == sum(row["files"] for row in told["caches"])
    assert told["bytes"] == sum(row["bytes"] for row in told["caches"])
    assert (told["builder"]["bytes"], told["builder"]["reclaimable"], told["builder"]["records"]) == (
        517_900_000,
        400_000_000,
        1,
    )
    mount = told["builder"]["mounts"][0]
    assert (mount["id"], mount["target"], mount["bytes"]) == ("//root/.cache/uv", "/root/.cache/uv", 517_900_000)


def test_status_is_no_use(stage: Stage) -> None:
    add(stage, "sh", "xargs", "du")
    stage.goldi("cache.setup")
    folder = stage.caches / "pip-cache"
    for path in (folder / TAG_FILE, folder):
        os.utime(path, (1e9, 1e9))
    told = [json.loads(stage.goldi("cache.status", "--json").stdout)["caches"] for _ in range(2)]
    assert [next(row for row in rows if row["name"] == "pip-cache")["last_use"] for rows in told] == [
        "2001-09-09T01:46:40+00:00"
    ] * 2


def test_status_for_people_in_lines_that_80_columns_hold(stage: Stage) -> None:
    stage.docker.answer("buildx du", stdout=DU)
    assert stage.goldi("cache.status").stdout.count("not there") == len(CACHES)
    stage.goldi("cache.setup")
    (stage.caches / "mypy-cache" / f"{'x' * 90}-0123abcd").mkdir()
    done = stage.goldi("cache.status", "--verbose")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(CACHES[0].name)
    assert [line for line in lines if line.startswith("all ")]
    assert [line for line in lines if "mount /root/.cache/uv" in line and "517.9 MB" in line and "█" in line]
    # But for where the caches lie, which is as long as it is.
    assert max(map(len, lines[:-1])) <= 80
    assert lines[-1].startswith(f"{stage.caches}: ")
    assert "\x1b" not in done.stdout


def test_status_without_an_engine_leaves_its_rows_out(stage: Stage) -> None:
    stage.docker.answer("buildx du", code=1, stderr="Cannot connect")
    stage.docker.answer("info", code=1, stderr="Cannot connect to the Docker daemon")
    done = stage.goldi("cache.status")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == (
        "the build cache and its cache mounts are not measured: no Docker engine answers"
    )
    told = json.loads(stage.goldi("cache.status", "--json").stdout)
    assert (told["builder"], len(told["remarks"])) == (None, 1)


def test_clear_by_name_and_all(stage: Stage) -> None:
    stage.goldi("cache.setup")
    for name in ("pip-cache", "uv-cache", "npm-cache"):
        (stage.caches / name / "file").touch()
    done = stage.goldi("cache.clear", "--name", "pip-cache", "--name", "uv-cache")
    assert done.returncode == 0, done.stderr
    assert sorted(path.parent.name for path in stage.caches.glob("*/file")) == ["npm-cache"]
    assert stage.goldi("cache.clear", "--all").returncode == 0
    assert not list(stage.caches.glob("*/file"))
    assert len(list(stage.caches.glob(f"*/{TAG_FILE}"))) == len(CACHES)


def test_clear_leaves_what_is_not_ours_and_says_so(stage: Stage) -> None:
    (stage.caches / "pip-cache").mkdir(parents=True)
    (stage.caches / "pip-cache" / "precious").touch()
    done = stage.goldi("cache.clear", "--all")
    assert done.returncode == 13
    assert "has no CACHEDIR.TAG of a cache: left alone" in one_sentence(done)
    assert (stage.caches / "pip-cache" / "precious").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--name", "pip-cash"), "Did you mean 'pip-cache'?"), ((), "Use --name NAME or --all")],
)
def test_clear_without_a_known_name(stage: Stage, arguments: tuple[str, ...], said: str) -> None:
    done = stage.goldi("cache.clear", *arguments)
    assert done.returncode == 5
    assert said in one_sentence(done)


def test_set_up_refuses_what_is_not_ours(stage: Stage) -> None:
    stage.caches.mkdir()
    (stage.caches / "pip-cache").symlink_to("/etc")
    done = stage.goldi("cache.setup")
    assert done.returncode == 13
    assert "pip-cache is a symbolic link. Remove it" in one_sentence(done)


def test_who_reads_may_stop_reading(stage: Stage) -> None:
    # The table is longer than what `head` reads, and comes after it has gone.
    done = stage.run("/bin/sh", "-c", f"{{ {BIN / 'goldi'} cache.status --json; echo $? >&2; }} | :")
    assert done.stderr == "141\n"
