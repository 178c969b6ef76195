"""Secrets planted in every place that can hold one: no task leaves one anywhere else, however it ends."""

import base64
import fcntl
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from goldi_tasks.bake import saved_image
from goldi_tasks.paths import project_key
from tests import forked
from tests.real import shop
from tests.real.canaries import Canaries, decoded, plant, shim, texts, watched
from tests.real.conftest import GOLDI, REPOSITORY, Project, builder, docker, layers, remove_images, until

pytestmark = pytest.mark.real

# Each step shows all that it is given, and one fails.
DOCKERFILE = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE} AS base
COPY --chmod=755 infrastructure/docker/scripts/online.sh /usr/local/bin/online

FROM base AS production
COPY wish /wish
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=build_env \\
    --mount=type=secret,id=own --mount=type=secret,id=file \\
    echo the cache >/root/.cache/pip/kept && cat /run/secrets/own /run/secrets/file \\
 && online sh -c 'env; find /dev/shm -type f -exec cat {} +' && sh /wish
RUN --mount=type=secret,id=python_env --mount=type=secret,id=npm_env --mount=type=secret,id=apt_env \\
    cat /run/secrets/* && online env && ls -R /run/secrets /dev/shm
CMD ["sleep", "1000"]

FROM base AS tools
RUN --mount=type=secret,id=python_env online env
"""
NOXFILE = """\
import os
from goldi_tasks.sessions import container_session

SHOW = "env; cat /run/secrets/*_env; find /dev/shm -type f -exec cat {} +; tr '\\\\0' '\\\\n' </proc/1/environ"
HIDE = "env >/dev/null; test -n \\"$PROJECT_TOKEN\\" && test -s \\"$NPM_CONFIG_USERCONFIG\\" && test -s \\"$NETRC\\""
lint = container_session("lint", "sh", "-c", SHOW)
tests = container_session("tests", "sh", "-c", SHOW + "; exit 3")
format_ = container_session("format", "true")
precommit = container_session("precommit", "sh", "-c", HIDE, logins=True)
typecheck = container_session("typecheck", "sh", "-c", 'test -n "$WORD"', env={"WORD": os.environ["SESSION_PASSWORD"]})
after = container_session("after", "sh", "-c", "ls -A /dev/shm; " + SHOW)
slow = container_session("slow", "sleep", "60")
"""
COMPOSE = """\
name: canary
services:
  web:
    profiles: [dev]
    image: ${GOLDI_IMAGE}:${GOLDI_TAG:-latest}
    build: { context: ., dockerfile: infrastructure/docker/Dockerfile, target: production, secrets: [build_env] }
    init: true
    user: "${GOLDI_UID}"
    healthcheck: { test: ["CMD", "true"], interval: 1s }
    secrets: [database-password, { source: network, target: npm_env }]
secrets:
  database-password: { file: ./secrets/database-password }
  build_env: { environment: GOLDI_BUILD_ENV }
  network: { file: "${GOLDI_NETWORK:-/dev/null}" }
"""
# Raises where the first program is started, as a mistake of ours would, with all that is known there.
MISTAKE = """\
import os
if os.environ.get("CANARY_MISTAKE"):
    from goldi_tasks import process
    def stream(command, **options):
        raise RuntimeError(f"a mistake with {command!r} and {command}")
    process.stream = stream
"""


@dataclass
class Cage:
    """A project whose user has secrets everywhere, and all that was said."""

    project: Project
    canaries: Canaries
    env: dict[str, str]
    log: Path
    said: list[tuple[str, str]] = field(default_factory=list)

    def goldi(self, *arguments: str, codes: tuple[int, ...] = (0,), **env: str) -> str:
        """Run a task; what it says is kept."""
        environment = {**self.project.env, **self.env, **env}
        with builder(fcntl.LOCK_SH):
            done = forked.server().run([GOLDI, *arguments], self.project.path, environment, timeout=300, together=True)
        self.said.append((" ".join(arguments), done.stdout))
        assert not codes or done.returncode in codes, done.stdout
        return done.stdout

    def start(self, *arguments: str, **env: str) -> "subprocess.Popen[str]":
        environment = {**self.project.env, **self.env, **env}
        with builder(fcntl.LOCK_SH) as lock:
            return subprocess.Popen(
                (GOLDI, *arguments),
                cwd=self.project.path,
                env=environment,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(lock,),
            )

    def wish(self, line: str) -> None:
        """Have the step of production run `line`."""
        (self.project.path / "wish").write_text(f"{line} # {time.monotonic_ns()}\n")

    def containers(self) -> list[str]:
        label = f"label=goldi.project={project_key(self.project.path)}"
        named = docker("ps", "--all", "--quiet", "--filter", label).split()
        return named + docker("ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project=canary").split()


@pytest.fixture
def cage(tmp_path: Path, image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cage]:
    path, home = tmp_path / "project", tmp_path / "home"
    for name in ("infrastructure/docker/scripts", "frontend", "secrets"):
        (path / name).mkdir(parents=True)
    home.mkdir()
    (path / "pyproject.toml").write_text('[project]\nname = "canary"\n[tool.goldi]\n')
    (path / "noxfile.py").write_text(NOXFILE)
    (path / "compose.yaml").write_text(COMPOSE)
    (path / "requirements-dev.lock").touch()
    ours = REPOSITORY / "infrastructure/docker"
    docker_folder = path / "infrastructure/docker"
    shutil.copy(ours / "scripts/online.sh", docker_folder / "scripts/online.sh")
    (docker_folder / "Dockerfile").write_text(DOCKERFILE)
    bake = json.loads((ours / "docker-bake.json").read_text())
    bake["target"] = {name: bake["target"][name] for name in ("_common", "production", "tools")}
    bake["target"]["_common"]["secret"] += [
        "type=env,id=own,env=OWN_SECRET",
        "type=file,id=file,src=secrets/file-secret",
    ]
    bake["group"] = {"default": {"targets": ["production"]}}
    (docker_folder / "docker-bake.json").write_text(json.dumps(bake))
    env = REPOSITORY / "infrastructure/docker/.env"
    lines = env.read_text().splitlines(keepends=True) if env.exists() else []
    (docker_folder / ".env").write_text("".join(line for line in lines if not line.startswith("GOLDI_")))

    canaries = Canaries()
    planted = plant(canaries, home, lambda name: path / name)
    log = tmp_path / "arguments"
    programs = [
        found for name in ("docker", "git", "apt-config", "apt-get", "npm", "nox") if (found := shutil.which(name))
    ]
    shim(tmp_path / "bin", programs, log)
    plugins = {name: _plugin(name) for name in ("docker-buildx", "docker-compose")}
    shim(home / ".docker/cli-plugins", [found for found in plugins.values() if found], log)
    (tmp_path / "python").mkdir()
    (tmp_path / "python/sitecustomize.py").write_text(MISTAKE)
    planted |= {"PATH": f"{tmp_path}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    planted |= {"PYTHONPATH": str(tmp_path / "python"), "TMPDIR": str(tmp_path / "tmp"), "GOLDI_IDLE_MINUTES": "5"}
    planted |= {"DOCKER_HOST": docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")}
    (tmp_path / "tmp").mkdir()
    made = Cage(Project(path, tmp_path / "cache", image), canaries, planted, log)
    yield made
    for name in made.containers():
        docker("rm", "--force", name)
    remove_images(image)


def _plugin(name: str) -> str:
    """Where docker's client finds a plugin."""
    command = name.removeprefix("docker-")
    form = "{{range .ClientInfo.Plugins}}{{.Name}} {{.Path}}\n{{end}}"
    lines = (line.split(" ", 1) for line in docker("info", "--format", form).splitlines())
    return next((path for found, path in lines if found == command), "")


def test_no_secret_is_found_outside_of_its_own_place(cage: Cage, tmp_path: Path) -> None:
    assert len(cage.canaries.values) >= 24
    for place, value in cage.canaries.values.items():
        for before in (b"", b"x", b"xx"):
            coded = base64.b64encode(before + value.encode() + b"after")
            assert [line for line in cage.canaries.search("it", coded) if line.startswith(place)], place
        assert cage.canaries.search("it", quote(value).encode()), place
    found: list[str] = []
    with watched() as seen:
        found += build(cage)
        found += check(cage)
        found += carry(cage, tmp_path)
        found += serve(cage)
        found += end_early(cage)
    for line in seen.arguments:
        found += cage.canaries.search("arguments of a process", line)
    found += cage.canaries.search("arguments of a program", cage.log.read_bytes())
    for name, said in cage.said:
        assert len(said) > 1 or name, name
        found += cage.canaries.search(f"what `{name}` says", decoded(said).encode())
    own = [cage.project.path / "secrets", tmp_path / "home", cage.log]
    for name, data in texts(tmp_path, own):
        found += cage.canaries.search(name, unpacked(data))
    assert not found, "\n".join(found)


def unpacked(data: bytes) -> bytes:
    """What was packed, and what is in an archive, beside it."""
    if data[:2] == b"\x1f\x8b" or data[:4] == b"\x28\xb5\x2f\xfd":
        return data + saved_image.unpacked(io.BufferedReader(io.BytesIO(data))).read()
    if data[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(data)) as members:
            return data + b"".join(unpacked(part.read()) for it in members if (part := members.extractfile(it)))
    return data


def build(cage: Cage) -> list[str]:
    """Build well and failing, as each kind of output, and look into the images."""
    cage.wish("true")
    said = cage.goldi("build.prod", "--progress", "plain", "--keep-cache")
    # The steps had the secrets, and showed them.
    assert said.count("***") > 20, said
    assert "NPM_CONFIG_USERCONFIG=" in said
    for mode in ("plain", "quiet", "rawjson"):
        cage.wish("exit 4")
        failed = cage.goldi("build.prod", "--progress", mode, codes=(1, 4, 7))
        assert "exit code: 4" in decoded(failed) or mode == "quiet", failed
    cage.wish("echo again")
    cage.goldi("build.prod", "--json")
    for task in ("build.list", "build.print", "build.history", "build.builder"):
        cage.goldi(task)
    cage.goldi("build.history", "--json", "--number", "50")
    records = json.loads(cage.goldi("build.history", "--json"))
    cage.goldi("build.history", "--show", str(records[0]["id"]))
    cage.goldi("--dry", "build.prod", "--no-cache")
    cage.goldi("build.target", "nothing-of-this-name", codes=())
    mistaken = cage.start("build.prod", "--no-cache", CANARY_MISTAKE="1").communicate(timeout=60)[0]
    assert "RuntimeError: a mistake with Command" in mistaken
    cage.said.append(("build.prod with a mistake", mistaken))
    cage.goldi("build.size", "--json")
    image = f"{cage.project.image}:latest"
    looked = docker("history", "--no-trunc", image) + docker("image", "inspect", image)
    found = cage.canaries.search("the image's configuration", looked.encode())
    for name, content in layers(image):
        found += cage.canaries.search(f"the image's {name}", content)
    found += cage.canaries.search("the builder's records", docker("buildx", "du", "--verbose").encode())
    with shop.registry(cage.project.cache_root.parent / "registry") as address:
        cage.goldi("build.push", GOLDI_REGISTRY=f"{address}/team", GOLDI_CACHE_BACKEND="registry")
    return found


def check(cage: Cage) -> list[str]:
    """Run checks, warm and fresh, with and without logins, and look at their containers."""
    cage.goldi("ci.lint")
    said = cage.said[-1][1]
    assert "GOLDI_INSIDE" in said or "HOME=" in said, said
    found = inspected(cage)
    cage.goldi("ci.precommit")
    cage.goldi("ci.session", "after")
    assert "NETRC" not in cage.said[-1][1]
    cage.goldi("ci.typecheck")
    cage.goldi("ci.tests", codes=(1, 3))
    cage.goldi("ci.check", "--no-build", "--session", "tests", codes=())
    cage.goldi("ci.tools", "--json")
    found += inspected(cage)
    cage.goldi("ci.tools", "--stop")
    for session in ("lint", "precommit"):
        cage.goldi(f"ci.{session}", GOLDI_WARM="0")
    slow = cage.start("ci.session", "slow", GOLDI_WARM="0")
    until(
        lambda: bool(cage.containers()) or docker("ps", "--quiet", "--filter", f"ancestor={cage.project.image}:tools")
    )
    found += inspected(cage)
    os.killpg(slow.pid, signal.SIGINT)
    cage.said.append(("ci.session slow, Ctrl-C", slow.communicate(timeout=60)[0]))
    for task in ("ci.list", "ci.matrix", "ci.cache-key"):
        cage.goldi(task)
    cage.goldi("build.shell", "--command", "env")
    for words in (("engine.status",), ("devcontainer.up",), ("--dry", "devcontainer.up"), ("--dry", "engine.down")):
        cage.goldi(*words, codes=())
    cage.goldi("--dry", "build.shell", "--command", "env", "--logins")
    return found


def inspected(cage: Cage) -> list[str]:
    named = docker("ps", "--all", "--quiet").split()
    if not named:
        return []
    # Exit code 1 where a container of another test has ended since; the others are printed.
    shown = subprocess.run(("docker", "inspect", *named), check=False, capture_output=True).stdout
    return cage.canaries.search("docker inspect", shown)


def carry(cage: Cage, tmp_path: Path) -> list[str]:
    """Save the caches with the builder's cache mounts, look at everything, and put them back."""
    file = tmp_path / "caches.tar"
    cage.goldi("cache.setup")
    cage.goldi("cache.save", str(file))
    for words in (
        ("status",),
        ("status", "--json"),
        ("doctor", "--json"),
        ("verify",),
        ("key",),
        ("prune", "--dry-run"),
    ):
        cage.goldi(f"cache.{words[0]}", *words[1:], codes=())
    cage.goldi("cache.restore", str(file), "--yes", codes=())
    return []


def serve(cage: Cage) -> list[str]:
    """Start the stack, look at it, and end it."""
    cage.goldi("compose.up")
    found = inspected(cage)
    for words in (("ps",), ("health",), ("config",), ("logs",)):
        cage.goldi(f"compose.{words[0]}", *words[1:], codes=())
    kept = list((cage.project.cache_root.parent / "state/goldi/network").iterdir())
    assert kept
    # What the service reads is the secret's own place, while it runs.
    assert cage.canaries.search("network", b"".join(file.read_bytes() for file in kept if file.is_file()))
    assert all(file.stat().st_mode & 0o077 == 0 for file in (*kept, *(file.parent for file in kept)))
    cage.goldi("compose.exec", "web", "--", "true")
    cage.goldi("compose.down")
    return found


def end_early(cage: Cage) -> list[str]:
    """Kill builds and checks in all their parts; the next run removes what they have left."""
    for number in (signal.SIGINT, signal.SIGKILL):
        cage.wish("sleep 30")
        building = cage.start("build.prod", "--progress", "plain")
        time.sleep(2)
        os.killpg(building.pid, number)
        cage.said.append((f"build.prod, signal {number}", building.communicate(timeout=60)[0]))
    for seconds in (0.5, 1.0):
        checking = cage.start("ci.lint", GOLDI_WARM="0")
        time.sleep(seconds)
        os.killpg(checking.pid, signal.SIGKILL)
        cage.said.append((f"ci.lint, killed after {seconds} s", checking.communicate(timeout=60)[0]))
    cage.goldi("ci.session", "format", GOLDI_WARM="0")
    return []
