"""Run checks in parallel: a thread reads the output of each, a queue reports their ends, and Ctrl-C ends them all."""

import json
import queue
import re
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, Protocol

from goldi_tasks import process
from goldi_tasks.ci.jobs import Check
from goldi_tasks.command import mask
from goldi_tasks.errors import CommandFailed, GoldiError

# Seconds between two calls of `View.tick`.
_PAUSE = 0.1
_ANSI = re.compile(r"\x1b(?:\[[0-9;:?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\))")

State = Literal["waiting", "running", "passed", "failed", "ended"]


@dataclass
class Run:
    """A check with its state, output, and the JSON summary of a build; times in seconds.

    Its state is `waiting` before it starts, and `ended` if it was ended, or not started, because another one failed.
    """

    check: Check
    state: State = "waiting"
    started_at: float = 0.0
    seconds: float = 0.0
    exit_code: int = 0
    output: str = ""
    last_line: str = ""
    build_summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cached(self) -> str:
        """Return the use of caches for people; "" for a check without a build summary."""
        if self.build_summary.get("result") == "up to date":
            return "up to date"
        return (
            f"{self.build_summary['cached']} of {self.build_summary['steps']} steps cached"
            if self.build_summary.get("steps")
            else ""
        )


class ChecksView(Protocol):
    """A display of checks."""

    def ended(self, run: Run) -> None:
        """Show that a check ended."""

    def tick(self) -> None:
        """Update what changes with time."""


class _Stopped(Exception):
    """The check is to end, since another one failed or Ctrl-C was pressed."""


def run_in_parallel(runs: Sequence[Run], cwd: Path, view: ChecksView, *, fail_fast: bool) -> None:
    """Run checks in parallel in `cwd`; if `fail_fast`, the first failure ends the others. Raises KeyboardInterrupt.

    No process of a check is left when this returns or raises.
    """
    stop, finished = threading.Event(), queue.SimpleQueue[Run]()
    threads = [threading.Thread(target=_follow, args=(run, cwd, stop, finished)) for run in runs]
    remaining = len(runs)
    try:
        for thread in threads:
            thread.start()
        while remaining:
            with suppress(queue.Empty):
                run = finished.get(timeout=_PAUSE)
                remaining -= 1
                view.ended(run)
                if fail_fast and run.state == "failed":
                    stop.set()
            view.tick()
    finally:
        stop.set()
        while any(thread.is_alive() for thread in threads):
            # `process.stream` gives each time to clean up, then kills it.
            with suppress(KeyboardInterrupt):
                time.sleep(_PAUSE / 10)


def _follow(run: Run, cwd: Path, stop: threading.Event, finished: "queue.SimpleQueue[Run]") -> None:
    run.started_at, run.state, run.exit_code = time.monotonic(), "running", 1
    chunks: list[str] = []
    try:
        with tempfile.TemporaryFile() as stdout:
            _read(run, cwd, stop, chunks, stdout)
        run.state, run.exit_code = "passed", 0
    except _Stopped:
        run.state = "ended"
    except CommandFailed as error:
        run.state, run.exit_code = "failed", error.code
        chunks += [] if chunks else [f"{error}\n"]
    except (GoldiError, OSError) as error:
        run.state = "failed"
        chunks.append(f"{error}\n")
    finally:
        run.seconds = time.monotonic() - run.started_at
        run.output = mask("".join(chunks))
        finished.put(run)


def _read(run: Run, cwd: Path, stop: threading.Event, chunks: list[str], stdout: IO[bytes]) -> None:
    """Read the output of a check into `chunks` until its end. A build writes its summary to `stdout`.

    Raises _Stopped once `stop` is set, CommandFailed.
    """
    build = run.check.build
    with process.stream(run.check.command, cwd=cwd, whole=not build, into=stdout if build else None) as texts:
        for text in texts:
            if stop.is_set():
                raise _Stopped
            chunks.append(text)
            run.last_line = _last_line(text) or run.last_line
    if build:
        stdout.seek(0)
        with suppress(ValueError):
            run.build_summary = dict(json.loads(stdout.read() or b"{}"))


def _last_line(text: str) -> str:
    lines = [line for line in plain_text(text).splitlines() if line.strip()]
    return mask(lines[-1].strip()) if lines else ""


def plain_text(text: str) -> str:
    """Remove colours, links and other escape sequences from `text`."""
    return _ANSI.sub("", text)
