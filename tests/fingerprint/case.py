"""A case: its directories, its names, and what was run for it."""

import fcntl
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests import forked
from tests.real.conftest import builder

BIN = Path(sys.executable).parent
BAKE_FILE = Path("infrastructure/docker/docker-bake.json")
# Variables of the caller that would make a case another one.
_FOREIGN = ("GOLDI_", "BUILDX_", "BAKE_", "SOURCE_DATE_EPOCH", "PYTHON_IMAGE", "NODE_IMAGE", "NOX_", "COMPOSE_")


@dataclass(frozen=True)
class Done:
    """What a program printed and how it ended."""

    code: int
    out: str
    err: str


@dataclass
class Case:
    """A project in `folder`, what is built of it, and what was run so far.

    `name` is the target or group that is built, `targets` the targets that it stands for, each with a tag of its own.
    `context` is the directory of the build context in the project, `env` the variables of the case, `kinds` what is
    special about it, `bases` the base images of its own, `paths` all that it had before anything was run.
    """

    number: int
    rng: Random
    folder: Path
    image: str
    base: str
    checks: bool = False
    name: str = "app"
    targets: tuple[str, ...] = ("app",)
    context: str = "."
    env: dict[str, str] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    bases: list[str] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    ready: float = 0.0

    @property
    def project(self) -> Path:
        return self.folder / "the project"

    @property
    def root(self) -> Path:
        """The directory of the build context."""
        return self.project / self.context

    @property
    def judged(self) -> str:
        """The name of the images that the judge builds."""
        return f"{self.image}-judge"

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """The environment of every program of the case, with `more`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        ours = {
            "GOLDI_CACHE_ROOT": str(self.folder / "cache"),
            "GOLDI_IMAGE": self.image,
            "GOLDI_CACHE_BACKEND": "none",
        }
        return {**kept, **ours, "XDG_STATE_HOME": str(self.folder / "state"), **self.env, **more}

    def run(self, *argv: str, env: Mapping[str, str] | None = None, text: str | None = None) -> Done:
        """Run a program in the project; our own in a fork of a process that has imported them."""
        began, environment = time.monotonic(), self.environment(env or {})
        with builder(fcntl.LOCK_SH):
            if argv[0] in forked.PROGRAMS:
                done = forked.server().run([str(BIN / argv[0]), *argv[1:]], self.project, environment, timeout=300)
            else:
                done = subprocess.run(
                    argv,
                    cwd=self.project,
                    env=environment,
                    input=text or "",
                    capture_output=True,
                    encoding="utf-8",
                    errors="replace",
                    check=False,
                    start_new_session=True,
                )
        set_here = {**self.env, **(env or {})}
        words = [*(f"{name}={shlex.quote(value)}" for name, value in set_here.items()), shlex.join(argv)]
        took = time.monotonic() - began
        self.note(f"$ {' '.join(words)}", done.stdout, done.stderr, f"exit code {done.returncode} after {took:.1f} s")
        return Done(done.returncode, done.stdout, done.stderr)

    def note(self, *lines: str) -> None:
        """Add lines to the log, which is kept where the case fails."""
        self.log += filter(None, lines)
