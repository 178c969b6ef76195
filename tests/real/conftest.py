"""Fixtures of tier 4: scratch projects that are built on the engine that answers, and removed from it."""

import fcntl
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks.bake import saved_image
from tests import forked
from tests.real.second_engine import call, fetched, place

__all__ = ["call", "fetched", "place"]

REPOSITORY = Path(__file__).parents[2]
GOLDI = str(Path(sys.executable).parent / "goldi")
# Ours are taken out of the environment before each test.
BACKEND = "BACKEND_OF_TESTS"
# Names of images whose layers other tests of this process have use for.
KEPT = f"goldi-test-kept-{os.getpid()}"


@dataclass(frozen=True)
class Project:
    """A project directory with its own cache root and its own image name."""

    path: Path
    cache_root: Path
    image: str

    @property
    def env(self) -> dict[str, str]:
        own = {"GOLDI_CACHE_ROOT": str(self.cache_root), "GOLDI_IMAGE": self.image}
        own |= {"XDG_STATE_HOME": str(self.cache_root.parent / "state")}
        if backend := os.environ.get(BACKEND):
            own["GOLDI_CACHE_BACKEND"] = backend
        return {**os.environ, **own}

    def start(self, *argv: str, alone: bool = False, **env: Any) -> "subprocess.Popen[str]":
        """A program in the project, in a process group of its own; until it ends nobody else prunes.

        One that prunes itself runs `alone`: nobody else builds.
        """
        pipe = subprocess.PIPE
        with builder(fcntl.LOCK_EX if alone else fcntl.LOCK_SH) as lock:
            return subprocess.Popen(
                argv,
                cwd=self.path,
                env={**self.env, **env},
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=pipe,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(lock,),
            )

    def goldi(self, *arguments: str, code: int = 0, **env: Any) -> str:
        """What `goldi ARGUMENTS` prints; it must end with `code`."""
        with builder(fcntl.LOCK_SH):
            environment = {**self.env, **env}
            done = forked.server().run([GOLDI, *arguments], self.path, environment, timeout=600, together=True)
        assert done.returncode == code, done.stdout
        return done.stdout

    def run(self, *argv: str, code: int = 0, **env: Any) -> str:
        """What a program in the project prints; it must end with `code`."""
        process = self.start(*argv, **env)
        said, _ = process.communicate(timeout=600)
        assert process.returncode == code, said
        return said


def copy(path: Path) -> None:
    """Copy this repository to `path` as it stands here, without what git ignores, and name the images made here."""
    listed = ("git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    names = subprocess.run(listed, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if (REPOSITORY / name).is_file():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, path / name)
    made_images(path)


def made_images(path: Path) -> None:
    """Name in the project at `path` the images that were made here; nothing else that this one's .env says."""
    env = REPOSITORY / "infrastructure/docker/.env"
    lines = env.read_text().splitlines(keepends=True) if env.exists() else []
    ours = path / "infrastructure/docker/.env"
    ours.write_text("".join(line for line in lines if not line.startswith("GOLDI_")))


def docker(*arguments: str) -> str:
    return subprocess.run(("docker", *arguments), check=True, capture_output=True, text=True).stdout.strip()


def layers(image: str) -> Iterator[tuple[str, bytes]]:
    """Everything that `docker save` gives of an image, by name, unpacked."""
    with subprocess.Popen(("docker", "save", image), stdout=subprocess.PIPE) as saved:
        with tarfile.open(fileobj=saved.stdout, mode="r|") as whole:
            for member in whole:
                file = whole.extractfile(member) if member.isfile() else None
                packed = io.BufferedReader(io.BytesIO(file.read() if file else b""))
                yield member.name, saved_image.unpacked(packed).read()
        assert saved.wait() == 0


def remove_images(repository: str, *, keep: bool = False) -> None:
    """Remove the names, not the ids: somebody's own image of the same content has the same id.

    With `keep` other tests find the layers unpacked: the engine unpacks hundreds of megabytes in seconds.
    """
    names = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository).split()
    if names:
        for name in names if keep else ():
            docker("tag", name, f"{KEPT}:{docker('image', 'inspect', '--format', '{{.Id}}', name)[7:19]}")
        docker("image", "rm", "--force", *names)


def until(true: Callable[[], object], seconds: float = 20.0) -> float:
    """The seconds until it is true."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)
    return time.monotonic() - began


@pytest.fixture(scope="session", autouse=True)
def kept_images() -> Iterator[None]:
    """At the end the names go, and with the last of them the layers; so do those of tests that were killed."""
    for name in set(docker("image", "ls", "--format", "{{.Repository}}", f"{KEPT.rpartition('-')[0]}-*").split()):
        if not Path("/proc", name.rpartition("-")[2]).exists():
            remove_images(name)
    yield
    remove_images(KEPT)


@pytest.fixture
def image() -> Iterator[str]:
    """A name for images that nobody else has; they are removed."""
    name = f"goldi-test-{uuid.uuid4().hex[:8]}"
    yield name
    remove_images(name)


@pytest.fixture(scope="module")
def builder_only() -> Iterator[None]:
    """Keep no local cache, most of what a target's first build costs: for whole files that are not about these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(BACKEND, "none")
        yield


@pytest.fixture
def app(tmp_path: Path, image: str) -> Iterator[Project]:
    """The example as a user would have it: a project whose app is `.`, with the infrastructure copied in."""
    path = tmp_path / "my project"
    shutil.copytree(REPOSITORY / "examples/goldilocks", path, ignore=shutil.ignore_patterns("node_modules", "dist"))
    shutil.copytree(REPOSITORY / "infrastructure", path / "infrastructure")
    yield Project(path, tmp_path / "cache, ü", image)
    remove_images(image, keep=True)


DOCKERFILE = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE} AS production
RUN echo %(marker)s && head -c 300000 /dev/urandom > /random
COPY slow /%(marker)s
RUN cat /%(marker)s && sleep $(cat /%(marker)s)
"""


@pytest.fixture
def tiny(tmp_path: Path, image: str) -> Project:
    """A project that builds in a second; `slow` holds how many seconds its last step sleeps."""
    path = tmp_path / "tiny"
    folder = path / "infrastructure/docker"
    folder.mkdir(parents=True)
    (path / "pyproject.toml").write_text('[project]\nname = "tiny"\n[tool.goldi]\n')
    (path / "slow").write_text("0")
    (folder / "Dockerfile").write_text(DOCKERFILE % {"marker": image})
    ours = REPOSITORY / "infrastructure/docker"
    bake = json.loads((ours / "docker-bake.json").read_text())
    bake["target"] = {name: bake["target"][name] for name in ("_common", "production")}
    bake["group"] = {"default": {"targets": ["production"]}}
    (folder / "docker-bake.json").write_text(json.dumps(bake))
    made_images(path)
    return Project(path, tmp_path / "cache", image)


@contextmanager
def builder(how: int) -> Iterator[int]:
    """The engine's builder for one test process (LOCK_EX) or for many (LOCK_SH); a child may inherit the lock."""
    with Path(tempfile.gettempdir(), "goldi-test-builder.lock").open("w") as file:
        fcntl.flock(file, how)
        yield file.fileno()


def forget(project: Project) -> None:
    """Remove what the builder remembers of a tiny project's steps, and nothing else.

    A prune in the last moment of any build, also of another project, fails that one.
    """
    with builder(fcntl.LOCK_EX):
        while ids := _remembered(project.image):
            # A record goes when nothing is built on it any more; `--filter description~=` came after buildx 0.13.
            for record in ids:
                docker("buildx", "prune", "--all", "--force", "--filter", f"id={record}")
            assert _remembered(project.image) != ids, "the builder keeps what it was told to forget"


def _remembered(marker: str) -> list[str]:
    records = docker("buildx", "du", "--verbose").split("\n\n")
    return [record.split()[1] for record in records if marker in record and record.startswith("ID:")]
