"""Measure builds of a scratch copy; ours and plain docker's alternate, so that both run under the same load."""

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
from goldi_tasks.bake import bake_arguments, builds
from goldi_tasks.bake.build_benchmark import cache_hits
from goldi_tasks.bake.build_benchmark.cache_hits import Hits
from goldi_tasks.bake.build_benchmark.project_copy import PLAIN, ProjectCopy
from goldi_tasks.bake.build_context import YOUNG
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.benchmark.times import COMPILED, Times
from goldi_tasks.client.system_info import Docker
from goldi_tasks.command import Command
from goldi_tasks.settings import Settings, image_names

IMAGE = "goldi-bench"


@dataclass
class BuildRounds:
    """The measurements: the `times` of every round, and the cache `hits` of the last rebuild."""

    scratch: ProjectCopy
    docker: Docker
    times: Times
    hits: dict[str, Hits] = field(default_factory=dict)

    def run(self, number: int) -> None:
        """Run one round, which starts with empty caches; only the base images exist."""
        caches = self.scratch.work / f"caches {number}"
        self._use_new_cache_mounts()
        self.scratch.set_dependency(False)
        # Files younger than this are not trusted to be unchanged; nobody clones and builds within that time.
        time.sleep(YOUNG / 1e9)
        self._time_ours("first build", caches)
        if (dockerfile := self._app / PLAIN).is_file():
            self._time_single_stage(dockerfile)
        self._time_ours("nothing changed", caches)
        if self.scratch.code:
            self.scratch.edit_code()
            self._time_ours("only code changed", caches)
        # After ours: plain bake compresses the shared cache differently, which would slow down our next build.
        self._time_plain_bake("nothing changed, plain bake", caches)
        if self.scratch.code:
            self.scratch.edit_code()
            self._time_plain_bake("only code changed, plain bake without export", caches, "--set", "*.cache-to=")
        if self.scratch.lock:
            self.scratch.set_dependency(True)
            output = self._time_ours("a dependency added", caches)
            self._count_hits(output, "dependencies", "wheels", "builder")
            self._count_hits(output, "bytecode", "bytecode", "builder")
            self._use_new_cache_mounts()
            self._time_plain_bake("a dependency added, without caches", caches, "--no-cache", "--set", "*.cache-to=")

    def rebuild(self) -> None:
        """Run every step again on caches that one build has filled, and count the items taken from them.

        Not with `--no-cache`: BuildKit then gives every step empty cache mounts, too.
        """
        caches = self.scratch.work / "caches"
        self._use_new_cache_mounts()
        self.times.report("hit rates")
        self._build(caches, targets=("production", "tools"))
        self.scratch.edit_steps()
        output = self._build(caches, targets=("production", "tools"))
        self._count_hits(output, "system packages", "debs", "builder", "tools")
        self._count_hits(output, "build tools", "wheels", "base", "tools")

    def _use_new_cache_mounts(self) -> None:
        self.scratch.set_cache_namespace(f"bench-{uuid.uuid4().hex[:8]}")

    @property
    def _app(self) -> Path:
        return self.scratch.project / self._settings(self.scratch.work / "caches").app

    def _settings(self, caches: Path) -> Settings:
        return project.load(self.scratch.project, {**os.environ, **self._environment(caches)})

    def _environment(self, caches: Path) -> dict[str, str]:
        state = str(self.scratch.work / "state")
        return {**paths.environment_under(caches), "GOLDI_IMAGE": IMAGE, "XDG_STATE_HOME": state, **COMPILED}

    def _time_ours(self, name: str, caches: Path) -> str:
        with self.times.timed(name):
            return self._build(caches, targets=("production",))

    def _build(self, caches: Path, *options: str, targets: tuple[str, ...]) -> str:
        goldi = str(Path(sys.executable).with_name("goldi"))
        tasks = [part for target in targets for part in (f"build.{_TASKS[target]}", *options, *_PROGRESS)]
        return process.capture_stderr(Command((goldi, *tasks), self._environment(caches)), cwd=self.scratch.project)

    def _time_plain_bake(self, name: str, caches: Path, *options: str) -> None:
        settings = self._settings(caches)
        request = BuildRequest(("production",))
        allow_options = bake_arguments.allow_flags(settings, self.docker)
        argv = ("docker", "buildx", "bake", "--file", str(settings.bake_file), *allow_options, *options)
        environment = builds.variables(settings, request)
        command = Command((*argv, *_PROGRESS, "production"), environment, network.secrets(settings))
        with self.times.timed(name):
            process.capture_stderr(command, cwd=self.scratch.project)

    def _time_single_stage(self, dockerfile: Path) -> None:
        """Build the single-stage Dockerfile with plain docker and no cache."""
        settings = self._settings(self.scratch.work / "caches")
        arguments = {**image_names.base_images(settings, settings.made_images), "APP": settings.app}
        build_args = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        secrets = ["--secret", "id=build_env,env=GOLDI_BUILD_ENV"]
        if settings.ca_bundle:
            secrets += ["--secret", f"id=ca_bundle,src={settings.ca_bundle}"]
        argv = ("docker", "buildx", "build", "--no-cache", "--load", "--file", str(dockerfile), *build_args, *secrets)
        command = Command((*argv, "--tag", f"{IMAGE}:plain", *_PROGRESS, "."), {}, network.secrets(settings))
        with self.times.timed("first build, single stage"):
            process.capture_stderr(command, cwd=self.scratch.project)

    def _count_hits(self, output: str, name: str, kind: str, *stages: str) -> None:
        hits = cache_hits.count(output, stages)[kind]
        if hits.needed:
            self.hits[name] = hits


_PROGRESS = ("--progress", "plain")
_TASKS: Mapping[str, str] = {"production": "prod", "tools": "tools"}


def listing(work: Path) -> tuple[float, float]:
    """Return the seconds of `goldi --list`, and of `inv --list` with a tasks.py of one task: medians of five."""
    work.mkdir(parents=True, exist_ok=True)
    one_task = "from invoke.tasks import task\n\n\n@task\ndef nothing(c):\n    pass\n"
    (work / "tasks.py").write_text(one_task, encoding="utf-8")
    programs = [str(Path(sys.executable).with_name(name)) for name in ("goldi", "inv")]
    seconds: list[list[float]] = [[], []]
    for _ in range(5):
        for program, program_seconds in zip(programs, seconds, strict=True):
            started_at = time.perf_counter()
            process.capture(Command((program, "--list"), COMPILED), cwd=work)
            program_seconds.append(time.perf_counter() - started_at)
    return median(seconds[0]), median(seconds[1])
