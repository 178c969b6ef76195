"""Clearing on a real engine: under running containers, and what containers left as root.

As an ordinary user `goldi` runs with the engine reached through a socket of our own, since the engine's is root's.
"""

import json
import os
import shlex
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks.cache import safe_delete
from goldi_tasks.client import run_arguments
from goldi_tasks.paths import TAG_FILE, project_key
from goldi_tasks.settings import load
from goldi_tasks.settings.image_names import base_images
from tests.real.conftest import GOLDI, REPOSITORY, docker

pytestmark = pytest.mark.real

NOBODY = 65534
ENV_FILE = REPOSITORY / "infrastructure/docker/.env"
MOUNT = "type=bind,source={},target={}"


@pytest.fixture(scope="module")
def python() -> str:
    """The base image with Python, there."""
    name = base_images(load(REPOSITORY), ENV_FILE.read_text() if ENV_FILE.exists() else "")["PYTHON_IMAGE"]
    docker("image", "inspect", name)
    return name


class Relay(socketserver.BaseRequestHandler):
    """What comes on one side goes out on the other."""

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect("/var/run/docker.sock")
            there = threading.Thread(target=self.copy, args=(self.request, engine))
            there.start()
            self.copy(engine, self.request)
            there.join()

    def copy(self, source: socket.socket, target: socket.socket) -> None:
        # A client that ends before it has read everything resets its side.
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


class Nobody:
    """An ordinary user with caches, an engine to ask, and `goldi`."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder, self.caches, self.socket = folder, folder / "cache, ü", folder / "socket"
        self.env = {**os.environ, "GOLDI_CACHE_ROOT": str(self.caches), "PYTHON_IMAGE": python, "HOME": str(folder)}
        self.env |= {"DOCKER_HOST": f"unix://{self.socket}", "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, *argv: str, code: int | None = 0, **env: str) -> "subprocess.CompletedProcess[str]":
        user = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
        done = subprocess.run(
            (*user, *argv),
            cwd=self.folder,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert code in (None, done.returncode), done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def goldi(self, *arguments: str, code: int | None = 0, **env: str) -> "subprocess.CompletedProcess[str]":
        return self.run(GOLDI, *arguments, code=code, **env)


@pytest.fixture
def nobody(python: str) -> Iterator[Nobody]:
    if os.getuid() != 0:
        pytest.skip("to be another user takes root")
    folder = Path(tempfile.mkdtemp(prefix="goldi-test-"))
    os.chown(folder, NOBODY, NOBODY)
    user = Nobody(folder, python)
    with socketserver.ThreadingUnixStreamServer(str(user.socket), Relay) as server:
        server.daemon_threads = True
        user.socket.chmod(0o666)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        user.run(sys.executable, "-c", "import goldi_tasks")
        user.goldi("cache.setup")
        yield user
        server.shutdown()
    shutil.rmtree(folder)


def as_root(python: str, folder: Path, script: str) -> None:
    """What a container that runs as root does in `folder`."""
    docker("run", "--rm", "--network", "none", "--mount", quoted(folder, "/cache"), python, "sh", "-ec", script)


def quoted(folder: Path, target: str) -> str:
    return run_arguments.bind(folder, target)[1]


LEFT = "mkdir -p /cache/a/b && chmod 700 /cache/a && dd if=/dev/zero of=/cache/a/b/c bs=1000 count=100 2>/dev/null && "
LEFT += "ln -s /etc /cache/a/link && ln -s ../../../.. /cache/a/b/up && touch /cache/a/b/$(printf 'x\\377\\n$(y)')"


def test_what_a_container_left_as_root_a_container_removes(nobody: Nobody, python: str) -> None:
    folder = nobody.caches / "pip-cache"
    (nobody.folder / "precious").touch()
    before = folder.stat().st_ino
    as_root(python, folder, LEFT)
    (folder / "wheel").touch()
    os.chown(folder / "wheel", NOBODY, NOBODY)
    rows = json.loads(nobody.goldi("cache.status", "--json").stdout)["caches"]
    assert next(row for row in rows if row["name"] == "pip-cache")["unreadable"] == [str(folder / "a")]
    foretold = nobody.goldi("cache.clear", "--name", "pip-cache", "--dry-run").stdout
    assert f"{folder}/a: Permission denied, it belongs to user 0, unless a container can remove it as root" in foretold
    assert (folder / "wheel").exists()
    told = json.loads(nobody.goldi("cache.clear", "--name", "pip-cache", "--json").stdout)
    assert [path.name for path in folder.iterdir()] == [TAG_FILE]
    assert folder.stat().st_ino == before
    assert (folder / TAG_FILE).stat().st_uid == NOBODY
    assert (told["freed"] >= 100_000, told["removed"]) == (True, 5)
    assert (told["caches"][0]["left"], told["caches"][0]["image"]) == ([], python)
    assert (nobody.folder / "precious").exists()
    assert "goldi-clear-" not in docker("ps", "--all", "--format", "{{.Names}}")


def test_the_doctor_removes_what_a_container_left_as_root_and_nothing_else(nobody: Nobody, python: str) -> None:
    folder = nobody.caches / "pip-cache"
    as_root(python, folder, LEFT)
    nobody.run("sh", "-ec", 'mkdir "$1/mine" && touch "$1/mine/wheel" && chmod 0770 "$1"', "-", str(folder))
    # The machine may have troubles of its own: the exit code is not what this is about.
    told = []
    for options in ((), ("--fix",)):
        said = nobody.goldi("cache.doctor", "--json", *options, code=None)
        told.append({one["id"]: one for one in json.loads(said.stdout)["findings"]})
    before, after = told
    assert before["folder-leftovers"]["fixable"]
    assert f"{folder} has files of another user: a" in before["folder-leftovers"]["what"]
    assert not {"folder-leftovers", "folder-mode"} & after.keys()
    assert f"removed files of other users from {folder} by a container of {python}, 1" in said.stderr
    assert {path.name for path in folder.iterdir()} == {TAG_FILE, "mine"}
    assert (folder / "mine/wheel").exists()
    assert folder.stat().st_mode & 0o777 == 0o750
    assert "goldi-clear-" not in docker("ps", "--all", "--format", "{{.Names}}")


def test_locked_directories_of_ones_own_need_no_container(nobody: Nobody) -> None:
    folder = nobody.caches / "pip-cache"
    nobody.run("sh", "-ec", 'cd "$1"; mkdir -p a/b c; touch a/b/x c/y; chmod 0 a/b; chmod 0555 a c', "-", str(folder))
    told = json.loads(nobody.goldi("cache.clear", "--name", "pip-cache", "--json").stdout)
    assert (told["removed"], told["caches"][0]["left"], told["caches"][0]["image"]) == (2, [], "")
    assert [path.name for path in folder.iterdir()] == [TAG_FILE]


def test_a_project_of_ones_own_only(nobody: Nobody, python: str) -> None:
    """Root's directory of another project stays, and so do the mount points."""
    (nobody.folder / "pyproject.toml").write_text('[project]\nname = "x"\n[tool.goldi]\n')
    row = nobody.caches / "mypy-cache"
    for key in (project_key(nobody.folder), "other-0123abcd"):
        (row / key).mkdir()
        os.chown(row / key, NOBODY, NOBODY)
        as_root(python, row / key, LEFT)
    nobody.goldi("cache.clear", "--project")
    assert list((row / project_key(nobody.folder)).iterdir()) == []
    assert (row / "other-0123abcd/a/b/c").exists()
    nobody.goldi("cache.clear", "--all")
    assert {path.name for path in row.iterdir()} == {TAG_FILE, project_key(nobody.folder), "other-0123abcd"}
    assert list((row / "other-0123abcd").iterdir()) == []


def test_without_an_engine_the_remedy_is_told_and_works(nobody: Nobody, python: str) -> None:
    as_root(python, nobody.caches / "pip-cache", LEFT)
    done = nobody.goldi("cache.clear", "--all", code=13, DOCKER_HOST="unix:///nowhere")
    assert len(done.stderr.splitlines()) == 1
    assert "Permission denied, it belongs to user 0" in done.stderr
    # As sudo would run it.
    command = shlex.split(done.stderr.partition("Run `")[2].partition("`")[0])
    assert command.pop(0) == "sudo"
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")
    assert [path.name for path in (nobody.caches / "pip-cache").iterdir()] == [TAG_FILE]


def test_a_directory_that_took_the_place_is_not_touched(nobody: Nobody, python: str) -> None:
    """What the container is given is checked in the container, where nobody can change it any more."""
    folder, other = nobody.caches / "pip-cache", nobody.caches / "npm-cache"
    as_root(python, other, LEFT)
    found = folder.stat()
    argv = ("", "-", f"{found.st_dev}:{found.st_ino}")
    command = run_arguments.as_root(python, f"goldi-clear-{uuid.uuid4().hex[:12]}", other, argv)
    program = Path(safe_delete.__file__).read_bytes()
    done = subprocess.run(command.argv, input=program, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (1, b"another directory\n")
    assert (other / "a/b/c").exists()


def test_what_is_immutable_is_told(nobody: Nobody) -> None:
    file = nobody.caches / "pip-cache/file"
    file.touch()
    if subprocess.run(("chattr", "+i", file), check=False, capture_output=True).returncode != 0:
        pytest.skip("this file system has no immutable files")
    try:
        done = nobody.goldi("cache.clear", "--name", "pip-cache", code=13)
    finally:
        subprocess.run(("chattr", "-i", file), check=True)
    assert f"{file}: Operation not permitted. Not even root may remove it: `lsattr` shows" in done.stderr


def test_a_read_only_file_system_and_another_one(nobody: Nobody) -> None:
    """In a mount namespace of its own, so that nothing stays mounted."""
    pip, npm = nobody.caches / "pip-cache", nobody.caches / "npm-cache"
    for folder in (pip / "mounted", npm / "mounted"):
        folder.mkdir()
        (folder / "file").touch()
        os.chown(folder, NOBODY, NOBODY)
    env = {**nobody.env, "R": str(nobody.caches), "U": f"--reuid {NOBODY} --regid {NOBODY} --clear-groups"}
    script = (
        'mount --bind "$R/uv-cache" "$R/npm-cache/mounted" && mount --bind "$R/pip-cache" "$R/pip-cache" && '
        f'mount -o remount,bind,ro "$R/pip-cache" && exec setpriv $U {shlex.quote(GOLDI)} cache.clear --all --json'
    )
    (nobody.caches / "uv-cache" / "file").touch()
    made = ("unshare", "--mount", "sh", "-c", script)
    done = subprocess.run(made, env=env, cwd=nobody.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 13, done.stderr
    rows: dict[str, Any] = {row["name"]: row for row in json.loads(done.stdout)["caches"]}
    assert {left["reason"] for left in rows["pip-cache"]["left"]} == {"Read-only file system"}
    assert rows["npm-cache"]["left"] == [{"path": str(npm / "mounted"), "reason": "another file system"}]
    assert "Mount that file system writable" in done.stderr.splitlines()[-1]
    assert (pip / "mounted/file").exists()
    assert (npm / "mounted/file").exists()


def test_a_running_container_goes_on_with_its_directories(python: str, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text('[project]\nname = "x"\n[tool.goldi]\n')
    caches = tmp_path / "cache, ü"
    env = {**os.environ, "GOLDI_CACHE_ROOT": str(caches)}
    subprocess.run((GOLDI, "cache.setup"), cwd=project, env=env, check=True, stdout=subprocess.DEVNULL)
    mypy = caches / "mypy-cache" / project_key(project)
    mypy.mkdir(mode=0o700)
    name = f"goldi-test-{uuid.uuid4().hex[:8]}"
    mounts = ("--mount", quoted(caches / "pip-cache", "/cache/pip"), "--mount", quoted(mypy, "/cache/mypy"))
    # It writes all the time, in new directories too.
    busy = "i=0; while :; do i=$((i+1)); mkdir -p /cache/pip/d/$((i%7)); echo x > /cache/pip/d/$((i%7))/$i; done"
    user = ("--user", f"{os.getuid()}:{os.getgid()}")
    docker("run", "--detach", "--rm", "--name", name, "--network", "none", *user, *mounts, python, "sh", "-c", busy)
    try:
        docker("exec", name, "touch", "/cache/mypy/old")
        for words in (("--all",), ("--project",)):
            done = subprocess.run(
                (GOLDI, "cache.clear", *words), cwd=project, env=env, check=False, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
        docker("exec", name, "sh", "-ec", "test ! -e /cache/mypy/old; touch /cache/mypy/new /cache/pip/new")
        assert (mypy / "new").exists()
        assert (caches / "pip-cache/new").exists()
    finally:
        docker("kill", name)
