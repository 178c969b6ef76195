"""Time checks: those in the container alternate with the others, so that both meet the same load on the machine."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.benchmark.limits import Limit, LimitReport
from goldi_tasks.benchmark.times import Times
from goldi_tasks.checks.check_benchmark import measured_sessions
from goldi_tasks.checks.check_benchmark.check_copy import CheckCopy
from goldi_tasks.checks.check_benchmark.measured_sessions import Sessions
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed

# The first check after the container was removed.
FIRST = "lint, first"
_NOX = str(Path(sys.executable).with_name("nox"))
# Exit code 1 of a tool means findings; compose itself would fail with 1 too.
_ACCEPT_FINDINGS = '"$@" || [ $? -eq 1 ]'
LIMITS = (
    Limit("`nox -s lint`, warm", "lint, container", "lint, host", "host", "more", 0.15),
    Limit("`nox -s lint`, warm", "lint, container", "lint, compose", "`docker compose run`", "faster", 2.5),
    Limit("`nox -s lint`, first after boot", "lint, first", "lint, host", "host", "more", 0.6),
    Limit("`mypy`, warm cache", "typecheck, container", "typecheck, host", "host", "times", 1.15),
    Limit("`nox -j 8`, eight sessions", "parallel, container", "parallel, host", "host", "times", 1.3),
)


@dataclass
class CheckRounds:
    """Runs `sessions` from `scratch` and stores their `times`.

    `parallel` is whether nox has -j, `composed` whether docker compose is installed; `answers` are the results of the
    parallel sessions.
    """

    scratch: CheckCopy
    sessions: Sessions
    times: Times
    parallel: bool = False
    composed: bool = False
    answers: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """Prepare everything and run each check once, so that all measurements have warm caches."""
        self.parallel = "--parallel" in process.capture(Command((_NOX, "--help")))
        self.composed = bool(system_info.compose())
        self.times.report("the tools container")
        self._run_nox("container", "lint")
        self.times.report("an environment on the host")
        self.scratch.install()
        self.times.report("every check once")
        if self.composed:
            self.scratch.compose()
            self._run_compose()
        for where in ("host", "container"):
            self._run_nox(where, "lint", "typecheck", "part0")

    def run(self, *, backwards: bool) -> None:
        """Run and time one round, in reverse order if `backwards`."""
        self.scratch.boot()
        with self.times.timed(FIRST):
            self._run_nox("container", "lint")
        steps = list(self._steps().items())
        for name, step in reversed(steps) if backwards else steps:
            with self.times.timed(name):
                step()

    def _steps(self) -> dict[str, Callable[[], object]]:
        """Return the functions that are timed, by name; those to compare follow each other."""
        steps: dict[str, Callable[[], object]] = {}
        for name in ("lint", "typecheck"):
            steps[f"{name}, host"] = partial(self._run_nox, "host", name)
            steps[f"{name}, container"] = partial(self._run_nox, "container", name)
            if name == "lint" and self.composed:
                steps["lint, compose"] = self._run_compose
        if self.parallel:
            steps["parallel, host"] = partial(self._run_parts, "host")
            steps["parallel, container"] = partial(self._run_parts, "container")
        return steps

    def _run_nox(self, where: str, *arguments: str) -> str:
        """Run sessions with nox and return the output. Raises CommandFailed, Interrupted."""
        noxfile = str(self.scratch.work / where / "noxfile.py")
        environment = self.scratch.host if where == "host" else self.scratch.container
        return self._run(Command((_NOX, "--nocolor", "--noxfile", noxfile, "--session", *arguments), environment))

    def _run_parts(self, where: str) -> None:
        """Run the parallel sessions. Raises CommandFailed if one has not done its work on the project's files."""
        names = [name for name in self.sessions if name.startswith("part")]
        output = self._run_nox(where, *names, "--parallel", str(len(names)), "--allow-parallel")
        results = measured_sessions.parse_results(output)
        self.answers = self.answers or results
        if len(set(results.values())) != len(names) or results != self.answers:
            raise CommandFailed(
                f"not all of {len(names)} sessions side by side have done their work", 1, "Run it again"
            )

    def _run_compose(self) -> None:
        file = str(self.scratch.work / "compose.json")
        argv = ("docker", "compose", "--project-name", self.scratch.name, "--file", file, "run", "--rm", "-T", "tools")
        [lint] = self.sessions["lint"]
        self._run(Command((*argv, "sh", "-c", _ACCEPT_FINDINGS, "sh", *lint)))

    def _run(self, command: Command) -> str:
        """Return the output of `command`. Raises CommandFailed with the reason in one sentence, Interrupted."""
        chunks: list[str] = []
        try:
            with process.stream(command, cwd=self.scratch.settings.project, whole=True) as output:
                chunks.extend(output)
        except CommandFailed as error:
            reason = measured_sessions.reason("".join(chunks)) or error.problem
            raise CommandFailed(f"a check cannot be measured: {reason}", error.code) from None
        return "".join(chunks)


def report(rounds: int, seconds: Mapping[str, float]) -> LimitReport:
    """Return a report of the measured `seconds` with their limits."""
    return LimitReport(rounds, os.cpu_count() or 1, seconds, LIMITS, note="The host's environment is ready.")
