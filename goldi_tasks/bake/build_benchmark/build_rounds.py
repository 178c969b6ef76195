"""Builds of a scratch copy, timed: ours and plain docker's in turn, so that both have the same machine."""

import os
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from goldi_tasks import network, paths, process
from goldi_tasks import settings as project
from goldi_tasks.bake import builds, local_cache
from goldi_tasks.bake.build_benchmark import cache_hits
from goldi_tasks.bake.build_benchmark.cache_hits import Hits
from goldi_tasks.bake.build_benchmark.project_copy import PLAIN, Scratch
from goldi_tasks.bake.build_context import YOUNG
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.benchmark.times import COMPILED, Times
from goldi_tasks.client.system_info import Docker
from goldi_tasks.command import Command
from goldi_tasks.settings import Settings, image_names

IMAGE = "goldi-bench"


@dataclass
class Rounds:
    """What was measured: the `times` of every round, and the `hits` of the last rebuild."""

    scratch: Scratch
    docker: Docker
    times: Times
    hits: dict[str, Hits] = field(default_factory=dict)

    def run(self, number: int) -> None:
        """One round, beginning with nothing in any cache but the base images."""
        caches = self.scratch.work / f"caches {number}"
        self._begin()
        self.scratch.add_dependency(False)
        # Nobody clones and builds in the same two seconds, in which a change could hide.
        time.sleep(YOUNG / 1e9)
        self._ours("first build", caches)
        if (plain := self._app / PLAIN).is_file():
            self._single_stage(plain)
        self._ours("nothing changed", caches)
        if self.scratch.code:
            self.scratch.edit_code()
            self._ours("only code changed", caches)
        # After ours: it packs the shared cache in another way, and the next build of ours would pay for that.
        self._plain("nothing changed, plain bake", caches)
        if self.scratch.code:
            self.scratch.edit_code()
            self._plain("only code changed, plain bake without export", caches, "--set", "*.cache-to=")
        if self.scratch.lock:
            self.scratch.add_dependency(True)
            said = self._ours("a dependency added", caches)
            self._count(said, "dependencies", "wheels", "builder")
            self._count(said, "bytecode", "bytecode", "builder")
            self._begin()
            self._plain("a dependency added, without caches", caches, "--no-cache", "--set", "*.cache-to=")

    def rebuild(self) -> None:
        """Every step again, on caches that one build has filled: what is taken from them.

        Not with `--no-cache`: then BuildKit gives every step empty cache mounts too.
        """
        caches = self.scratch.work / "caches"
        self._begin()
        self.times.tell("hit rates")
        self._goldi(caches, targets=("production", "tools"))
        self.scratch.edit_steps()
        said = self._goldi(caches, targets=("production", "tools"))
        self._count(said, "system packages", "debs", "builder", "tools")
        self._count(said, "build tools", "wheels", "base", "tools")

    def _begin(self) -> None:
        self.scratch.scope(f"bench-{uuid.uuid4().hex[:8]}")

    @property
    def _app(self) -> Path:
        return self.scratch.project / self._settings(self.scratch.work / "caches").app

    def _settings(self, caches: Path) -> Settings:
        return project.load(self.scratch.project, {**os.environ, **self._environment(caches)})

    def _environment(self, caches: Path) -> dict[str, str]:
        state = str(self.scratch.work / "state")
        return {**paths.all_under(caches), "GOLDI_IMAGE": IMAGE, "XDG_STATE_HOME": state, **COMPILED}

    def _ours(self, name: str, caches: Path) -> str:
        with self.times.timed(name):
            return self._goldi(caches, targets=("production",))

    def _goldi(self, caches: Path, *words: str, targets: tuple[str, ...]) -> str:
        goldi = str(Path(sys.executable).with_name("goldi"))
        tasks = [part for target in targets for part in (f"build.{_TASKS[target]}", *words, *_PROGRESS)]
        return process.listen(Command((goldi, *tasks), self._environment(caches)), cwd=self.scratch.project)

    def _plain(self, name: str, caches: Path, *words: str) -> None:
        settings = self._settings(caches)
        wanted = BuildRequest(("production",))
        allowed = local_cache.allowed(settings, self.docker)
        argv = ("docker", "buildx", "bake", "--file", str(settings.bake_file), *allowed, *words)
        environment = builds.variables(settings, wanted)
        command = Command((*argv, *_PROGRESS, "production"), environment, network.secrets(settings))
        with self.times.timed(name):
            process.listen(command, cwd=self.scratch.project)

    def _single_stage(self, dockerfile: Path) -> None:
        """The Dockerfile that one writes first, with nothing in a cache."""
        settings = self._settings(self.scratch.work / "caches")
        arguments = {**image_names.base_images(settings, settings.made_images), "APP": settings.app}
        given = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        secrets = ["--secret", "id=build_env,env=GOLDI_BUILD_ENV"]
        if settings.ca_bundle:
            secrets += ["--secret", f"id=ca_bundle,src={settings.ca_bundle}"]
        argv = ("docker", "buildx", "build", "--no-cache", "--load", "--file", str(dockerfile), *given, *secrets)
        command = Command((*argv, "--tag", f"{IMAGE}:plain", *_PROGRESS, "."), {}, network.secrets(settings))
        with self.times.timed("first build, single stage"):
            process.listen(command, cwd=self.scratch.project)

    def _count(self, said: str, name: str, kind: str, *stages: str) -> None:
        found = cache_hits.count(said, stages)[kind]
        if found.needed:
            self.hits[name] = found


_PROGRESS = ("--progress", "plain")
_TASKS: Mapping[str, str] = {"production": "prod", "tools": "tools"}


def listing(work: Path) -> tuple[float, float]:
    """Seconds of `goldi --list`, and of `inv --list` with a tasks.py of one task: medians of five."""
    work.mkdir(parents=True, exist_ok=True)
    empty = "from invoke.tasks import task\n\n\n@task\ndef nothing(c):\n    pass\n"
    (work / "tasks.py").write_text(empty, encoding="utf-8")
    programs = [str(Path(sys.executable).with_name(name)) for name in ("goldi", "inv")]
    times: list[list[float]] = [[], []]
    for _ in range(5):
        for program, found in zip(programs, times, strict=True):
            began = time.perf_counter()
            process.capture(Command((program, "--list"), COMPILED), cwd=work)
            found.append(time.perf_counter() - began)
    return median(times[0]), median(times[1])
