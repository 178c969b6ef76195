"""`goldi cache.doctor` with a docker that answers as it is told, or with none."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed
from goldi_tasks.paths import project_key
from tests.door.conftest import Stage, one_sentence
from tests.recording import CLASSIC

pytestmark = pytest.mark.door

INSPECT = (Path(__file__).parents[1] / "data/inspect-0.13-ours.txt").read_text(encoding="utf-8")


@pytest.fixture
def set_up(stage: Stage) -> Stage:
    """A project whose images are here, and that is set up."""
    stage.docker.answer("buildx inspect", stdout=INSPECT)
    stage.docker.answer("image inspect", stdout="sha256:00\n")
    # What a registry is asked goes nowhere.
    stage.env |= dict.fromkeys(("https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")
    stage.goldi("cache.setup")
    return stage


def doctor(
    stage: Stage, *options: str, cwd: Path | None = None
) -> "tuple[dict[str, dict[str, Any]], subprocess.CompletedProcess[str]]":
    """The findings by their names, without those of this machine; and how it ended."""
    done = stage.goldi("cache.doctor", "--json", *options, cwd=cwd)
    assert "Traceback" not in done.stderr
    findings = {one["id"]: one for one in json.loads(done.stdout)["findings"]}
    theirs = ("root-", "engine-space", "engine-inodes", "binfmt", "registry", "selinux")
    return {name: one for name, one in findings.items() if not name.startswith(theirs)}, done


def test_nothing_wrong(set_up: Stage) -> None:
    findings, _ = doctor(set_up)
    assert findings == {}


def test_it_asks_and_does_nothing(set_up: Stage) -> None:
    before = len(set_up.docker.calls)
    doctor(set_up)
    calls = [argv[:2] for argv in set_up.docker.calls[before:]]
    # Whether the engine sees the root: an empty image, a container that is never started, and both removed.
    sees = {"import", "create", "rm", "rmi"}
    assert [argv[0] for argv in calls if argv[0] in sees] == ["import", "create", "rm", "rmi"]
    assert sorted(argv for argv in calls if argv[0] not in sees) == [
        *(["buildx", "inspect"], ["buildx", "ls"], ["buildx", "version"], ["compose", "version"]),
        *(["image", "inspect"], ["image", "inspect"], ["info", "--format"], ["volume", "ls"]),
    ]
    assert not list(set_up.caches.glob("goldi-probe-*"))


def test_without_docker_and_without_a_project(set_up: Stage, tmp_path: Path) -> None:
    set_up.env |= {"PATH": str(tmp_path / "home"), "GOLDI_CACHE_ROOT": str(set_up.caches)}
    findings, done = doctor(set_up, cwd=tmp_path)
    assert findings["engine-missing"]["what"] == "docker is not installed"
    assert done.returncode == 21
    assert "cache.doctor found 1 error" in one_sentence(done)
    shown = set_up.goldi("cache.doctor", cwd=tmp_path)
    assert shown.stdout.startswith("errors:\n  engine-missing: docker is not installed\n    Install it")
    assert "there is no project here" in shown.stdout


def test_with_the_engine_down(set_up: Stage) -> None:
    set_up.docker.answer("info", stdout=json.dumps({"ServerErrors": ["Cannot connect"], "ServerVersion": ""}))
    findings, done = doctor(set_up)
    assert findings["engine-missing"]["what"] == "no Docker engine answers"
    assert done.returncode == 21


def test_a_root_that_the_engine_does_not_see_and_an_old_store(set_up: Stage) -> None:
    set_up.docker.answer("create", code=1, stderr="Error: bind source path does not exist: /x\n")
    set_up.docker.answer("info", stdout=json.dumps(CLASSIC))
    done = set_up.goldi("cache.doctor")
    assert f"  root-not-seen: the engine does not see {set_up.caches}\n" in done.stdout
    assert "  export-inline: the docker driver exports no local cache" in done.stdout
    assert done.returncode == 21


def test_what_is_safe_is_fixed(set_up: Stage) -> None:
    folder, env = set_up.caches / "npm-cache", set_up.project / "infrastructure/docker/.env"
    folder.chmod(0o777)
    for path in (set_up.caches / "uv-cache").iterdir():
        path.unlink()
    (set_up.caches / "uv-cache").rmdir()
    text = env.read_text(encoding="utf-8")
    env.write_text(text.replace(str(set_up.caches), "/old") + "MINE=1\n", encoding="utf-8")
    findings, done = doctor(set_up)
    assert done.returncode == 21
    assert {"folder-mode", "folder-missing", "env-stale"} == findings.keys()
    assert all(one["fixable"] for one in findings.values())
    dry = set_up.goldi("--dry", "cache.doctor", "--fix")
    assert "would keep others from writing to" in dry.stdout
    assert folder.stat().st_mode & 0o777 == 0o777
    findings, done = doctor(set_up, "--fix")
    assert findings == {}
    assert f"fixed: only you can write to {folder} now\n" in done.stderr
    assert folder.stat().st_mode & 0o777 == 0o755
    assert sorted(env.read_text(encoding="utf-8").splitlines()) == sorted([*text.splitlines(), "MINE=1"])


def test_what_is_not_ours_is_not_touched(set_up: Stage, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o755)
    folders = {name: set_up.caches / name for name in ("pip-cache", "uv-cache")}
    for folder in folders.values():
        (folder / "CACHEDIR.TAG").unlink()
    folders["pip-cache"].rmdir()
    folders["pip-cache"].symlink_to(tmp_path / "elsewhere")
    (folders["uv-cache"] / "precious").touch()
    folders["uv-cache"].chmod(0o777)
    findings, done = doctor(set_up, "--fix")
    assert done.returncode == 21
    assert {"folder-link", "folder-mode", "folder-untagged"} == findings.keys()
    assert not any(one["fixable"] for one in findings.values())
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o755
    assert folders["uv-cache"].stat().st_mode & 0o777 == 0o777
    assert (folders["uv-cache"] / "precious").exists()


def test_volumes_of_another_root(set_up: Stage) -> None:
    key = project_key(set_up.project)
    labels = {"com.docker.compose.project": "x"}
    volumes = [
        {"Name": f"x_{name}", "Labels": labels, "Options": {"o": "bind", "device": f"{root}/{name}/{key}"}}
        for name, root in (("mypy-cache", set_up.caches), ("ruff-cache", "/old"))
    ]
    other = {"Name": "y", "Labels": {"com.docker.compose.project": "y"}, "Options": {"o": "bind", "device": "/z"}}
    set_up.docker.answer("volume ls", stdout="x_mypy-cache\nx_ruff-cache\ny\n")
    set_up.docker.answer("volume inspect", stdout=json.dumps([*volumes, other]))
    findings, _ = doctor(set_up)
    assert f"the volume x_ruff-cache still uses /old/ruff-cache/{key}" in findings["volume-stale"]["what"]


def test_more_than_there_is_time_for(tmp_path: Path) -> None:
    """What does not answer is ended, and so is what it started and what still has its output."""
    script = "import os, time\nif os.fork(): open('child', 'w').write(str(os.getpid()))\ntime.sleep(60)"
    file = tmp_path / "hangs"
    file.write_text(f"#!{sys.executable} -S\n{script.replace('child', str(tmp_path / 'child'))}\n", encoding="utf-8")
    file.chmod(0o755)
    with pytest.raises(CommandFailed, match="no answer within 1 s") as raised:
        process.capture_within(Command((str(file),)), 1)
    assert raised.value.code == 124
    assert not Path("/proc", (tmp_path / "child").read_text(encoding="utf-8")).exists()


def test_an_answer_and_a_failure() -> None:
    assert process.capture_within(Command(("sh", "-c", "echo yes; echo no >&2")), 20) == "yes\n"
    with pytest.raises(CommandFailed, match="sh: no") as raised:
        process.capture_within(Command(("sh", "-c", "echo no >&2; exit 3")), 20)
    assert raised.value.code == 3
