"""Checks, timed: ours and the others' in turn, so that both have the same machine."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.benchmark.times import Times
from goldi_tasks.checks.check_benchmark import measured_sessions
from goldi_tasks.checks.check_benchmark.check_copy import Scratch
from goldi_tasks.checks.check_benchmark.measured_sessions import Sessions
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed

# The first check after the container is gone.
FIRST = "lint, first"
_NOX = str(Path(sys.executable).with_name("nox"))
# A tool's findings are no failure of compose, which ends with 1 too.
_WORKED = '"$@" || [ $? -eq 1 ]'


@dataclass
class Rounds:
    """Runs `sessions` from `scratch` and keeps their `times`.

    `parallel` is whether nox knows -j, `composed` whether there is docker compose; `answers` are what the parallel
    sessions have computed.
    """

    scratch: Scratch
    sessions: Sessions
    times: Times
    parallel: bool = False
    composed: bool = False
    answers: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """Make everything ready and run each once: only caches that are filled are compared."""
        self.parallel = "--parallel" in process.capture(Command((_NOX, "--help")))
        self.composed = bool(system_info.compose())
        self.times.report("the tools container")
        self._nox("container", "lint")
        self.times.report("an environment on the host")
        self.scratch.install()
        self.times.report("every check once")
        if self.composed:
            self.scratch.compose()
            self._compose()
        for where in ("host", "container"):
            self._nox(where, "lint", "typecheck", "part0")

    def run(self, *, backwards: bool) -> None:
        """One round, in this order or the other."""
        self.scratch.boot()
        with self.times.timed(FIRST):
            self._nox("container", "lint")
        steps = list(self._steps().items())
        for name, step in reversed(steps) if backwards else steps:
            with self.times.timed(name):
                step()

    def _steps(self) -> dict[str, Callable[[], object]]:
        """What is measured, ours and the other's side by side."""
        found: dict[str, Callable[[], object]] = {}
        for name in ("lint", "typecheck"):
            found[f"{name}, host"] = partial(self._nox, "host", name)
            found[f"{name}, container"] = partial(self._nox, "container", name)
            if name == "lint" and self.composed:
                found["lint, compose"] = self._compose
        if self.parallel:
            found["parallel, host"] = partial(self._parts, "host")
            found["parallel, container"] = partial(self._parts, "container")
        return found

    def _nox(self, where: str, *words: str) -> str:
        """What nox and the tools print."""
        noxfile = str(self.scratch.work / where / "noxfile.py")
        environment = self.scratch.host if where == "host" else self.scratch.container
        return self._heard(Command((_NOX, "--nocolor", "--noxfile", noxfile, "--session", *words), environment))

    def _parts(self, where: str) -> None:
        """The parallel sessions, each of which must have done its work on the project's files."""
        names = [name for name in self.sessions if name.startswith("part")]
        said = self._nox(where, *names, "--parallel", str(len(names)), "--allow-parallel")
        found = measured_sessions.done(said)
        self.answers = self.answers or found
        if len(set(found.values())) != len(names) or found != self.answers:
            raise CommandFailed(
                f"not all of {len(names)} sessions side by side have done their work", 1, "Run it again"
            )

    def _compose(self) -> None:
        file = str(self.scratch.work / "compose.json")
        argv = ("docker", "compose", "--project-name", self.scratch.name, "--file", file, "run", "--rm", "-T", "tools")
        [lint] = self.sessions["lint"]
        self._heard(Command((*argv, "sh", "-c", _WORKED, "sh", *lint)))

    def _heard(self, command: Command) -> str:
        """All that `command` prints. Raises CommandFailed with the reason in one sentence, Interrupted."""
        heard: list[str] = []
        try:
            with process.stream(command, cwd=self.scratch.settings.project, whole=True) as texts:
                heard.extend(texts)
        except CommandFailed as error:
            why = measured_sessions.reason("".join(heard)) or error.problem
            raise CommandFailed(f"a check cannot be measured: {why}", error.code) from None
        return "".join(heard)
