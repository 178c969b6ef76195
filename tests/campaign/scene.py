"""The scratch project on the campaign's engine, and the command line of the product in it."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.campaign import cage
from tests.campaign.engine import Engine

REPOSITORY = Path(__file__).parents[2]
GOLDI = str(Path(sys.executable).parent / "goldi")
PATIENCE = 120.0
# Random content that only a cache can bring back; `slow` is how many seconds the app's step sleeps.
DOCKERFILE = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE} AS base
RUN head -c 3000000 /dev/urandom > /base

FROM base AS builder
COPY lock /
RUN --mount=type=cache,target=/root/.cache/campaign \\
    cat /lock >> /root/.cache/campaign/seen && head -c 4000000 /dev/urandom > /built

FROM base AS app
COPY source /source
RUN cd /source && sha256sum * > /proof && sleep $(cat slow) && head -c 1000000 /dev/urandom > /made

FROM base AS tools
ENV GOLDI_INSIDE=tools
COPY --chmod=755 infrastructure/docker/scripts/online.sh /usr/local/bin/online

FROM base AS production
COPY --from=builder /built /lock /
COPY --from=app /proof /made /
RUN cat /base /built /made | sha256sum > /random
"""
NOXFILE = """\
from goldi_tasks.sessions import container_session

container_session("look", "python3", "-c", "import time; time.sleep(1); print('looked')")
"""
PYPROJECT = '[project]\nname = "bears"\n[tool.goldi]\n'


@dataclass
class Said:
    """What came of a run: `hit` is whether the fault met it, `seconds` how long it took."""

    code: int
    text: str
    seconds: float
    hit: bool = True


@dataclass
class Running:
    """A run that goes on; what it says goes to `file`."""

    process: "subprocess.Popen[bytes]"
    file: Path
    began: float

    def wait(self) -> Said:
        """Its end. Raises subprocess.TimeoutExpired if it does not come."""
        code = self.process.wait(PATIENCE)
        text = self.file.read_text(encoding="utf-8", errors="replace")
        self.file.unlink()
        return Said(code, text, time.monotonic() - self.began)


@dataclass(frozen=True)
class Scene:
    """A project below `base`, where `image` is what it builds on."""

    base: Path
    image: str

    @cached_property
    def engine(self) -> Engine:
        """The engine that it is built on."""
        return Engine(cage.place(self.base), self.env)

    @property
    def project(self) -> Path:
        return self.base / "bears"

    @property
    def cache(self) -> Path:
        return self.base / "caches/cache"

    @property
    def tmp(self) -> Path:
        return self.base / "tmp"

    @property
    def state(self) -> Path:
        return self.base / "state"

    @property
    def archive(self) -> Path:
        return self.base / "caches/archives/bears.tar.zst"

    @property
    def disk(self) -> Path:
        """The file system of the engine's data."""
        return self.base / "disk"

    @property
    def local(self) -> Path:
        """The local cache of the target that is built."""
        return next((self.cache / ".buildx-cache-production").glob("*/native"), self.cache / "none")

    @cached_property
    def env(self) -> Mapping[str, str]:
        """The environment: nothing of the caller's but where programs are."""
        place = cage.place(self.base)
        return {
            "PATH": f"{place.path}:{Path(sys.executable).parent}",
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LANG": "C.UTF-8",
            "HOME": str(self.base / "home"),
            "TMPDIR": str(self.tmp),
            "XDG_STATE_HOME": str(self.state),
            "DOCKER_HOST": f"unix://{place.socket}",
            "GOLDI_CACHE_ROOT": str(self.cache),
            "GOLDI_IMAGE": "bears",
        }

    def make(self) -> None:
        """The project's files."""
        folder, ours = self.project / "infrastructure/docker", REPOSITORY / "infrastructure/docker"
        (folder / "scripts").mkdir(parents=True)
        shutil.copy(ours / "scripts/online.sh", folder / "scripts")
        bake = json.loads((ours / "docker-bake.json").read_text(encoding="utf-8"))
        bake["target"] = {name: bake["target"][name] for name in ("_common", "tools", "production")}
        bake["group"] = {"default": {"targets": ["production"]}}
        files = {
            "infrastructure/docker/docker-bake.json": json.dumps(bake),
            "infrastructure/docker/Dockerfile": DOCKERFILE,
            "infrastructure/docker/Dockerfile.dockerignore": ".env\n",
            "infrastructure/docker/.env": f"PYTHON_IMAGE={self.image}\nNODE_IMAGE={self.image}\n",
            "pyproject.toml": PYPROJECT,
            "noxfile.py": NOXFILE,
            "lock": "first\n",
            "source/text": "first\n",
            "source/slow": "0\n",
        }
        for name, text in files.items():
            (self.project / name).parent.mkdir(exist_ok=True)
            (self.project / name).write_text(text, encoding="utf-8")
        plugins = self.base / "home/.docker/cli-plugins"
        plugins.mkdir(parents=True)
        for found in cage.place(self.base).prefix.glob("usr/lib*/docker/cli-plugins/docker-*"):
            (plugins / found.name).symlink_to(found)
        for name in ("caches/cache", "caches/archives", "out", "taken"):
            (self.base / name).mkdir()

    def edit(self, dice: random.Random, *, slow: float = 0.0) -> None:
        """Another source, and now and then another lock."""
        (self.project / "source/text").write_text(f"{dice.random()}\n", encoding="utf-8")
        (self.project / "source/slow").write_text(f"{slow}\n", encoding="utf-8")
        if dice.random() < 0.3:
            (self.project / "lock").write_text(f"{dice.random()}\n", encoding="utf-8")

    def proof(self) -> str:
        """What the image must hold of the source as it is now."""
        files = sorted((self.project / "source").iterdir())
        return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)

    def start(self, *arguments: str, **env: str) -> Running:
        """`goldi ARGUMENTS`, in a process group of its own."""
        file = self.base / "out" / f"{time.monotonic_ns()}"
        with file.open("wb") as out:
            process = subprocess.Popen(
                (GOLDI, *arguments),
                cwd=self.project,
                env={**self.env, **env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Running(process, file, time.monotonic())

    def goldi(self, *arguments: str, **env: str) -> Said:
        """What came of `goldi ARGUMENTS`."""
        return self.start(*arguments, **env).wait()

    def tasks(self) -> list[str]:
        """The tasks that the command line has."""
        return [line.split()[0] for line in self.goldi("--list").text.splitlines() if line.startswith("  ")]

    def trees(self) -> Iterator[Path]:
        """The directories that a fault may touch, and that are put back before each round."""
        yield from (self.cache, self.archive.parent, self.state, self.tmp, self.project)

    def take(self) -> None:
        """Note how things are, for `back`."""
        for tree in self.trees():
            copy(tree, self.base / "taken" / tree.name)

    def back(self) -> None:
        """All files as they were taken."""
        for tree in self.trees():
            self.put_back(tree)

    def put_back(self, tree: Path) -> None:
        """One of the trees as it was taken."""
        for entry in os.scandir(tree):
            shutil.rmtree(entry) if entry.is_dir(follow_symlinks=False) else Path(entry).unlink()
        copy(self.base / "taken" / tree.name, tree)


def copy(tree: Path, target: Path) -> None:
    """The content of `tree`, sockets and times too, in the directory `target`, which is made if need be."""
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(("cp", "--archive", f"{tree}/.", target), check=True)
