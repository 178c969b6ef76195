"""The dev container, made by the real CLI on the real image, in a worktree of a copy of this repository."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.real.conftest import GOLDI, Project, copy, docker, made_images, remove_images

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("builder_only")]

IMAGE = "goldi-test-devcontainer"
# Tests that run as root are somebody else's root, as under sudo.
UID, GID = (os.getuid(), os.getgid()) if os.getuid() else (1234, 1235)
HOOKS = """\
repos:
  - repo: local
    hooks:
      - id: own
        name: own
        language: system
        entry: sh -c 'id -u > hook-ran'
        pass_filenames: false
        always_run: true
"""
# As pre-commit writes it; the Python is one that the image has, too, without pre-commit.
HOOK = """\
#!/usr/bin/env bash
INSTALL_PYTHON={python}
ARGS=(hook-impl --config=.pre-commit-config.yaml --hook-type=pre-commit)
HERE="$(cd "$(dirname "$0")" && pwd)"
ARGS+=(--hook-dir "$HERE" -- "$@")
if [ -x "$INSTALL_PYTHON" ]; then
    exec "$INSTALL_PYTHON" -mpre_commit "${{ARGS[@]}}"
elif command -v pre-commit > /dev/null; then
    exec pre-commit "${{ARGS[@]}}"
else
    echo '`pre-commit` not found.' 1>&2
    exit 1
fi
"""
RELOADED = ("../../infrastructure/docker/scripts/serve.py", "goldilocks.app:app", "8123")


@dataclass(frozen=True)
class Own(Project):
    """A project of the user UID."""

    @property
    def env(self) -> dict[str, str]:
        sudo = {} if os.getuid() else {"SUDO_UID": str(UID), "SUDO_GID": str(GID)}
        return {**super().env, **sudo}

    def up(self, **env: Any) -> dict[str, Any]:
        said = self.goldi("devcontainer.up", "--json", **env)
        found: dict[str, Any] = json.loads(said[said.rindex("\n{") :] if "\n{" in said else said)
        return found

    def inside(self, *argv: str, code: int = 0) -> str:
        return self.goldi("devcontainer.exec", "--", *argv, code=code)

    @property
    def containers(self) -> list[str]:
        return docker("ps", "--all", "--quiet", "--filter", f"label=devcontainer.local_folder={self.path}").split()


def git(path: Path, *arguments: str) -> str:
    who = ("-c", "user.name=Goldi Locks", "-c", "user.email=goldi@example.invalid", "-c", "safe.directory=*")
    return subprocess.run(("git", *who, *arguments), cwd=path, check=True, capture_output=True, text=True).stdout


def give(path: Path) -> None:
    if not os.getuid():
        subprocess.run(("chown", "-R", "-h", f"{UID}:{GID}", path), check=True)


def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    """A copy of the repository as it stands here, in a repository of its own, with the hook of pre-commit."""
    top = tmp_path_factory.mktemp("dev")
    # pytest lets nobody else in.
    for folder in (top.parent, top):
        folder.chmod(0o755)
    path = top / "the projeß"
    copy(path)
    (path / ".pre-commit-config.yaml").write_text(HOOKS)
    (path / ".gitignore").write_text((path / ".gitignore").read_text() + "hook-ran\n")
    git(path, "init", "--quiet")
    for key, value in {"user.name": "Goldi Locks", "user.email": "goldi@example.invalid"}.items():
        git(path, "config", key, value)
    git(path, "add", ".")
    git(path, "commit", "--quiet", "--message", "all of it")
    git(path, "worktree", "add", "--quiet", "-b", "branch", str(top / "worktree"))
    hook = path / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(HOOK.format(python=top / "worktree/.venv/bin/python"))
    hook.chmod(0o755)
    made = Own(path, top / "caches", IMAGE)
    for project in (path, top / "worktree"):
        made_images(project)
    give(top)
    yield made
    for one in (made, Own(top / "worktree", top / "caches", IMAGE)):
        one.goldi("devcontainer.down")
        assert one.containers == []
    remove_images(IMAGE, keep=True)
    remove_images(f"{IMAGE}-docker", keep=True)


@pytest.fixture(scope="module")
def tree(whole: Own) -> Own:
    """Its worktree, with a host's virtual environment that the image's Python cannot use, and its container up."""
    project = Own(whole.path.parent / "worktree", whole.cache_root, IMAGE)
    host = project.path / ".venv/bin"
    host.mkdir(parents=True)
    (host / "python").symlink_to("/usr/bin/python3")
    give(project.path)
    came = project.up()
    assert (came["user"], came["workspace"], came["started"]) == ("dev", str(project.path), True)
    return project


@pytest.mark.by_hand
def test_the_second_time_it_is_the_same_and_quick(tree: Own) -> None:
    first, second = tree.up(), tree.up()
    assert not second["started"]
    assert [second["container"][:12]] == tree.containers == [first["container"][:12]]
    assert second["seconds"] < 5
    docker("stop", "--time", "1", *tree.containers)
    third = tree.up()
    assert third["started"]
    assert third["container"] == first["container"]


def test_checks_run_bare_inside_and_fill_the_hosts_caches(tree: Own) -> None:
    said = tree.inside("nox", "-s", "lint", "typecheck")
    assert "Session lint was successful" in said
    assert "Session typecheck was successful" in said
    assert "ci.lint" in tree.inside("inv", "--list")
    for name in ("ruff-cache", "mypy-cache"):
        (own,) = (tree.cache_root / name).glob("worktree-*")
        assert {path.stat().st_uid for path in own.iterdir()} == {UID}
        assert [path for path in own.iterdir() if path.name != "CACHEDIR.TAG"]


def test_user_paths_and_environment(tree: Own) -> None:
    line = "id -u; id -g; whoami; pwd; readlink -f /workspaces/worktree; echo $PYTHONPATH"
    assert tree.inside("sh", "-c", line).split("\n")[:-1] == [
        *(str(UID), str(GID), "dev"),
        *(str(tree.path), str(tree.path), str(tree.path)),
    ]
    tree.inside("sh", "-c", "mkdir -p made/inside && echo > made/inside/file")
    assert {(tree.path / "made" / name).stat().st_uid for name in ("inside", "inside/file")} == {UID}
    shutil.rmtree(tree.path / "made")
    assert tree.inside("./goldi", "--version").startswith("goldi ")
    tree.inside(".venv/bin/python", "-c", "import nox")
    assert tree.inside("sh", "-c", "exit 7", code=7) == ""
    assert tree.inside("nonesuch", code=127).startswith("goldi: the dev container has no program 'nonesuch'.")


def test_a_commit_in_a_worktree_runs_the_hook_which_stays_as_it_is(whole: Own, tree: Own) -> None:
    hook = whole.path / ".git/hooks/pre-commit"
    before = hook.read_bytes(), hook.stat().st_mtime_ns
    assert tree.inside("git", "status", "--short") == ""
    (tree.path / "new").write_text("new\n")
    tree.inside("git", "add", "new")
    tree.inside("git", "commit", "--quiet", "--message", "from inside")
    assert git(whole.path, "log", "-1", "--format=%s %an <%ae>", "branch").strip() == (
        "from inside Goldi Locks <goldi@example.invalid>"
    )
    assert (tree.path / "hook-ran").read_text() == f"{UID}\n"
    assert (hook.read_bytes(), hook.stat().st_mtime_ns) == before
    assert (tree.cache_root / "pre-commit-cache/db.db").exists()
    assert {path.stat().st_uid for path in whole.path.rglob(".git/**/*")} == {UID}


def test_a_changed_file_is_served_at_once(tree: Own) -> None:
    app = tree.path / "examples/goldilocks"
    server = subprocess.Popen(
        (GOLDI, "devcontainer.exec", "--", "/venv/bin/python", *RELOADED),
        cwd=app,
        env=tree.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    ask = ("sh", "-c", "curl --silent http://127.0.0.1:8123/said-anew || true")
    try:
        until(lambda: tree.inside(*ask) != "")
        assert "hello from the new code" not in tree.inside(*ask)
        file = app / "goldilocks/app.py"
        text = file.read_text()
        file.write_text(
            f"{text}\n\n@app.get('/said-anew')\ndef said_anew() -> str:\n    return 'hello from the new code'\n"
        )
        until(lambda: "hello from the new code" in tree.inside(*ask))
        file.write_text(text)
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 130
    until(lambda: "serve.py" not in tree.inside("ps", "-eo", "args"), 5)


def test_what_git_writes_to_is_made_writable_on_start(whole: Own, tree: Own) -> None:
    folder = whole.path / ".git"
    (folder / "index").chmod(0o444)
    (folder / "refs/heads").chmod(0o555)
    told = json.loads(tree.goldi("devcontainer.fix-git", "--json"))
    assert {(one["path"], one["reason"]) for one in told["wrong"]} == {
        ("index", "is not writable"),
        ("refs/heads", "is not writable"),
    }
    objects = {path: path.stat().st_mode for path in folder.glob("objects/??/*")}
    docker("stop", "--time", "1", *tree.containers)
    tree.up()
    assert (folder / "index").stat().st_mode & 0o777 == 0o644
    assert (folder / "refs/heads").stat().st_mode & 0o200
    assert objects == {path: path.stat().st_mode for path in folder.glob("objects/??/*")}


def test_fix_git_changes_owners_when_told_and_follows_no_link(whole: Own, tree: Own, tmp_path: Path) -> None:
    folder = whole.path / ".git"
    outside = tmp_path / "outside"
    outside.write_text("not ours")
    before = outside.stat()
    script = 'mkdir -p /git/refs/heads/their && echo > /git/refs/heads/their/branch && ln -s "$0" /git/their-link'
    mount = f"type=bind,source={folder},target=/git"
    docker(
        *("run", "--rm", "--user", "4321:4321" if not UID else "0:0", "--mount", mount, "--entrypoint", "sh"),
        *(f"{IMAGE}:devcontainer", "-c", script, str(outside)),
    )
    said = tree.goldi("devcontainer.fix-git", code=5)
    assert "refs/heads/their/branch belongs to user 0" in said
    assert "Use --yes" in said.splitlines()[-1]
    assert "belongs to another user" in tree.inside("devcontainer-git")
    told = json.loads(tree.goldi("devcontainer.fix-git", "--yes", "--json"))
    assert {one["path"] for one in told["wrong"]} == {"refs/heads/their", "refs/heads/their/branch", "their-link"}
    assert (told["changed"], told["left"]) == (True, [])
    assert (folder / "their-link").lstat().st_uid == UID
    after = outside.stat()
    assert (after.st_uid, after.st_mode, outside.read_text()) == (before.st_uid, before.st_mode, "not ours")
    assert tree.inside("devcontainer-git") == ""
    assert tree.goldi("devcontainer.fix-git") == f"all is well in {folder}\n"
    (folder / "their-link").unlink()
    shutil.rmtree(folder / "refs/heads/their")


def test_down_leaves_nothing(tree: Own) -> None:
    volumes = docker("volume", "ls", "--quiet")
    assert tree.goldi("devcontainer.down") == "the dev container is removed\n"
    assert tree.containers == []
    assert not (tree.path / ".devcontainer/.local").exists()
    assert docker("volume", "ls", "--quiet") == volumes
    assert tree.goldi("devcontainer.down") == "there is no dev container\n"
    said = tree.inside("true", code=20)
    assert said == f"goldi: no dev container of {tree.path} is running. Run `goldi devcontainer.up`.\n"


def test_docker_inside_reaches_the_hosts_engine_with_paths_that_hold(whole: Own) -> None:
    file = whole.path / ".devcontainer/devcontainer.json"
    lines = file.read_text().splitlines(keepends=True)
    at = next(index for index, line in enumerate(lines) if "target=/var/run/docker.sock" in line)
    lines[at] = lines[at].replace("// ", "")
    last = max(index for index in range(at) if not lines[index].lstrip().startswith("//"))
    lines[last] = lines[last].rstrip("\n") + ",\n"
    file.write_text("".join(lines))
    own = Own(whole.path, whole.cache_root, f"{IMAGE}-docker")
    own.up(GOLDI_DEV_PACKAGES="docker-cli")
    assert docker("version", "--format", "{{.Server.Version}}") in own.inside("docker", "version")
    (whole.path / "seen").write_text("by the engine\n")
    mount = f"type=bind,source={whole.path},target=/x"
    run = ("docker", "run", "--rm", "--mount", mount, "--entrypoint", "cat", f"{IMAGE}:devcontainer", "/x/seen")
    assert own.inside(*run) == "by the engine\n"
