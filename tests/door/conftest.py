"""A stage for the real programs: a scratch project, a recording docker on PATH, and nothing else there."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import forked
from tests.recording import Recording

BIN = Path(sys.executable).parent


@dataclass
class Stage:
    """Where a program is run, and with which environment."""

    project: Path
    caches: Path
    docker: Recording
    env: dict[str, str] = field(default_factory=dict)

    def goldi(self, *arguments: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """What `goldi ARGUMENTS` says, and its exit code."""
        return self.run(str(BIN / "goldi"), *arguments, cwd=cwd)

    def run(self, *argv: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        program = Path(argv[0])
        if program.parent == BIN and program.name in forked.PROGRAMS:
            return forked.server().run(list(argv), cwd or self.project, self.env)
        return subprocess.run(
            argv,
            cwd=cwd or self.project,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=30,
            check=False,
        )


@pytest.fixture
def stage(make_project: Callable[..., Path], tmp_path: Path, recording: Recording) -> Stage:
    """A project whose caches and name have a space and a letter that is not ASCII."""
    caches = tmp_path / "cache, ü"
    project = make_project(f'cache-root = "{caches}"', name="the proß ject")
    home = tmp_path / "home"
    home.mkdir()
    env = {"PATH": str(recording.folder), "HOME": str(home), "LANG": "C.UTF-8", "TMPDIR": str(home)}
    return Stage(project, caches, recording, env)


def one_sentence(done: "subprocess.CompletedProcess[str]") -> str:
    """The one line on standard error that a failure is told in."""
    assert "Traceback" not in done.stderr + done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("goldi: ")
    assert lines[0].endswith((".", "?"))
    return lines[0]


def ready(stage: Stage) -> int:
    """The process number of the docker that sleeps, once it does."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for entry in stage.docker.log:
            if "ready" in entry:
                return int(entry["ready"])
        time.sleep(0.02)
    pytest.fail(f"docker was not called: {stage.docker.calls}")
