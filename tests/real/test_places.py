"""Where caches are: one on another file system, two projects beside each other, two users on one machine."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks.paths import BY_NAME, CACHES, TAG_FILE, project_key
from tests.real.conftest import REPOSITORY, docker, remove_images

pytestmark = pytest.mark.real

SOCKET = Path("/var/run/docker.sock")
OTHER = Path("/dev/shm")
DOCKERFILE = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE} AS tools
RUN printf '#!/bin/sh\\nexec "$@"\\n' >/usr/local/bin/online && chmod 755 /usr/local/bin/online
"""
NOXFILE = 'from goldi_tasks.sessions import container_session\nsay = container_session("say", "sh", "-c")\n'
STACK = """\
name: %s
services:
  web:
    profiles: [dev]
    image: ${PYTHON_IMAGE}
    network_mode: none
    command: [sh, -c, "touch /cache/pip/up /cache/mypy/up && exec sleep 600"]
    init: true
    user: ${GOLDI_UID}:${GOLDI_GID}
    healthcheck: { test: [CMD, test, -e, /cache/mypy/up], start_period: 30s, start_interval: 100ms }
    volumes: ["pip-cache:/cache/pip", "mypy-cache:/cache/mypy"]
"""
# `goldi` and `nox` as they are, where /tmp and /var/tmp are others.
START = """\
import sys
from pathlib import Path
from typing import Any
from goldi_tasks.settings import default_root
shared, own, program, *sys.argv[1:] = sys.argv[1:]
default_root.choose.__defaults__ = (Path(shared), Path(own))
if program == "goldi":
    from goldi_tasks.cli import main
else:
    from nox.__main__ import main
sys.exit(main())
"""


@dataclass(frozen=True)
class Place:
    """A project that builds and checks in seconds, of the user `uid`, with what stands for /tmp and /var/tmp."""

    path: Path
    uid: int
    top: Path
    env: dict[str, str]

    @property
    def key(self) -> str:
        return project_key(self.path)

    def run(self, *argv: str, code: int = 0, **env: Any) -> "subprocess.CompletedProcess[str]":
        user = ("setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", f"--groups={SOCKET.stat().st_gid}")
        start = (sys.executable, "-c", START, str(self.top / "tmp"), str(self.top / "var"))
        done = subprocess.run(
            ((*user, *start) if self.uid else start) + argv,
            cwd=self.path,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def inside(self, line: str, **env: Any) -> str:
        """What a shell line says as a check."""
        return self.run("nox", "--session", "say", "--", line, **env).stdout


Make = Callable[..., Place]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes places; all that came of them is removed."""
    top = Path(tempfile.mkdtemp(prefix="goldi-test-"))
    top.chmod(0o755)
    for name in ("tmp", "var"):
        (top / name).mkdir()
        (top / name).chmod(0o1777)
    image = f"goldi-test-{uuid.uuid4().hex[:8]}"
    made: list[Place] = []

    def place(name: str = "project", uid: int = os.getuid()) -> Place:
        path = top / f"home-{uid}" / name
        folder = path / "infrastructure/docker"
        folder.mkdir(parents=True)
        ours = REPOSITORY / "infrastructure/docker"
        (path / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n[tool.goldi]\n')
        (path / "noxfile.py").write_text(NOXFILE)
        (folder / "Dockerfile").write_text(DOCKERFILE)
        bake = json.loads((ours / "docker-bake.json").read_text())
        bake["target"] = {name: bake["target"][name] for name in ("_common", "tools")}
        bake["group"] = {"default": {"targets": ["tools"]}}
        (folder / "docker-bake.json").write_text(json.dumps(bake))
        volumes = re.search(r"^volumes:\n.*?(?=^\w)", (ours / "docker-compose.yml").read_text(), re.M | re.S)
        assert volumes
        (folder / "docker-compose.yml").write_text(STACK % f"{image}-{len(made)}" + volumes[0])
        env = (ours / ".env").read_text().splitlines() if (ours / ".env").exists() else []
        (folder / ".env").write_text("".join(f"{line}\n" for line in env if not line.startswith("GOLDI_")))
        for one in (path.parent, *path.parent.rglob("*")):
            os.chown(one, uid, uid)
        own = {"HOME": str(path.parent), "GOLDI_IMAGE": f"{image}-{uid}", "PYTHONDONTWRITEBYTECODE": "1"}
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("GOLDI_", "XDG_"))}
        made.append(Place(path, uid, top, {**clean, **own, "PYTHONPATH": str(REPOSITORY)}))
        return made[-1]

    yield place
    for one in made:
        for name in docker("ps", "--all", "--quiet", "--filter", f"label=goldi.project={one.key}").split():
            docker("rm", "--force", name)
    for name in docker("ps", "--all", "--quiet", "--filter", f"name={image}").split():
        docker("rm", "--force", name)
    if names := docker("volume", "ls", "--quiet", "--filter", f"name={image}").split():
        docker("volume", "rm", *names)
    for one in made:
        remove_images(one.env["GOLDI_IMAGE"], keep=True)
    shutil.rmtree(top)


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A directory on another file system, which the engine sees too."""
    folder = Path(tempfile.mkdtemp(prefix="goldi-test-", dir=OTHER))
    assert folder.stat().st_dev != Path(tempfile.gettempdir()).stat().st_dev
    yield folder
    shutil.rmtree(folder)


def test_one_cache_on_another_file_system(make: Make, elsewhere: Path) -> None:
    """For checks, the stack, clearing and the build; all others stay."""
    place = make()
    usual = place.top / "tmp"
    moved = ("pip-cache", ".buildx-cache-tools")
    chosen: dict[str, Any] = {BY_NAME[name].root_variable: str(elsewhere) for name in moved}
    place.inside("touch /cache/pip/check /cache/mypy/check", **chosen)
    assert (elsewhere / "pip-cache/check").exists()
    assert (elsewhere / ".buildx-cache-tools" / place.key / "native/index.json").exists()
    assert (usual / "mypy-cache" / place.key / "check").exists()
    assert not {"pip-cache", ".buildx-cache-tools"} & {entry.name for entry in usual.iterdir()}
    place.run("goldi", "compose.up", "--profile", "dev", **chosen)
    assert (elsewhere / "pip-cache/up").exists()
    assert (usual / "mypy-cache" / place.key / "up").exists()
    # Its volume is there with the options of before.
    said = place.run("goldi", "compose.up", "--profile", "dev", code=18).stderr
    assert f"pip-cache is {elsewhere}/pip-cache, and the compose file says {usual}/pip-cache. Run `goldi comp" in said
    place.run("goldi", "cache.clear", "--name", "pip-cache", **chosen)
    assert [entry.name for entry in (elsewhere / "pip-cache").iterdir()] == [TAG_FILE]
    place.run("goldi", "compose.down", **chosen)
    place.run("goldi", "compose.up", "--profile", "dev")
    assert (usual / "pip-cache/up").exists()
    place.run("goldi", "compose.down")


def test_the_guides_last_section_word_for_word(make: Make, elsewhere: Path) -> None:
    """A volume of the compose file that somebody gave another device is the stack's alone; the setting is for all."""
    place = make()
    file, custom = place.path / "infrastructure/docker/docker-compose.yml", elsewhere / "custom/cache/path"
    before = file.read_text()
    text = re.sub(r"device: \S+/pip-cache$", f"device: {custom}", before, flags=re.M)
    assert text != before
    file.write_text(text)
    said = place.run("goldi", "compose.up", "--profile", "dev", code=18).stderr
    assert f"pip-cache is {custom}, which is not a directory. Create it with `mkdir -m 700 '{custom}'`" in said
    custom.mkdir(parents=True)
    custom.chmod(0o777)
    said = place.run("goldi", "compose.up", "--profile", "dev", code=18).stderr
    assert f"pip-cache is {custom}, and others may write to {custom}. Run `chmod go-w" in said
    custom.chmod(0o700)
    place.run("goldi", "compose.up", "--profile", "dev")
    assert [entry.name for entry in custom.iterdir()] == ["up"]
    file.write_text(before)
    assert "compose.down" in place.run("goldi", "compose.up", "--profile", "dev", code=18).stderr
    place.run("goldi", "compose.down")
    assert (custom / "up").exists()


LOOK = "cd /cache && for cache in *; do [ ! -e $cache/%s ] || echo found: $cache; done; touch %s"


def test_two_projects_share_downloads_and_nothing_else(make: Make) -> None:
    one, two = make("one"), make("two")
    marks = " ".join(f"{cache.mount}/one" for cache in CACHES if cache.mount and cache.mount.is_absolute())
    assert "found" not in one.inside(LOOK % ("one", marks))
    found = re.findall(r"found: (\S+)", two.inside(LOOK % ("one", "/cache/mypy/two")))
    assert found == sorted(str(cache.mount).removeprefix("/cache/") for cache in CACHES if cache.scope == "shared")
    exported = (one.top / "tmp/.buildx-cache-tools").iterdir()
    assert {entry.name for entry in exported} == {TAG_FILE, one.key, two.key}


@pytest.mark.skipif(os.getuid() != 0, reason="to be another user takes root")
def test_two_users_on_one_machine(make: Make) -> None:
    one, two = make("project", 64301), make("project", 64302)
    assert "belongs" not in one.run("goldi", "build.tools").stderr
    assert "belongs" not in one.inside("touch /cache/pip/one")
    theirs = {path: path.lstat().st_uid for path in (one.top / "tmp").rglob("*")}
    assert set(theirs.values()) == {64301}
    mine = two.top / "var/goldi-64302"
    told = f"goldi: {one.top}/tmp/.buildx-cache-tools belongs to user 64301: your caches are in {mine}"
    said = two.run("goldi", "build.tools").stderr.splitlines()
    assert [line for line in said if "belongs" in line] == [told]
    checked = two.run("nox", "--session", "say", "--", "ls /cache/pip; touch /cache/pip/two")
    assert "one" not in checked.stdout.split()
    assert "belongs" not in checked.stdout + checked.stderr
    assert (mine / "pip-cache/two").exists()
    assert {path.lstat().st_uid for path in (mine, *mine.rglob("*"))} == {64302}
    assert {path: path.lstat().st_uid for path in (one.top / "tmp").rglob("*")} == theirs
    # It stays when the names are free again.
    shutil.rmtree(one.top / "tmp/.buildx-cache-tools")
    found = json.loads(two.run("goldi", "cache.status", "--json").stdout)
    (status,) = {Path(row["path"]).parent for row in found["caches"]}
    assert status == mine
