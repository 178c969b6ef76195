"""Checks that run side by side: a thread reads each, one place hears when it ends, and Ctrl-C ends all of them."""

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

# Seconds between two looks at what runs.
_PAUSE = 0.1
_ANSI = re.compile(r"\x1b(?:\[[0-9;:?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\))")

State = Literal["waiting", "running", "passed", "failed", "ended"]


@dataclass
class Run:
    """A check and what is known of it: all that it `said`, its `last` line, and a build's summary.

    One that waits has not begun; one that was ended, or never begun, because another failed has `ended`.
    """

    check: Check
    state: State = "waiting"
    began: float = 0.0
    seconds: float = 0.0
    code: int = 0
    said: str = ""
    last: str = ""
    built: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cached(self) -> str:
        """What the caches gave, for people; "" for a check that tells nothing of them."""
        if self.built.get("result") == "up to date":
            return "up to date"
        return f"{self.built['cached']} of {self.built['steps']} steps cached" if self.built.get("steps") else ""


class View(Protocol):
    """What shows checks."""

    def ended(self, one: Run) -> None:
        """A check came to its end."""

    def tick(self) -> None:
        """Some time went by."""


class _Left(Exception):
    """Others have failed, or Ctrl-C came."""


def together(runs: Sequence[Run], cwd: Path, view: View, *, fail_fast: bool) -> None:
    """Run them side by side in `cwd`; if `fail_fast`, the first that fails ends the others. Raises KeyboardInterrupt.

    Nothing that was begun runs on when this returns or raises.
    """
    stop, done = threading.Event(), queue.SimpleQueue[Run]()
    threads = [threading.Thread(target=_follow, args=(one, cwd, stop, done)) for one in runs]
    left = len(runs)
    try:
        for thread in threads:
            thread.start()
        while left:
            with suppress(queue.Empty):
                one = done.get(timeout=_PAUSE)
                left -= 1
                view.ended(one)
                if fail_fast and one.state == "failed":
                    stop.set()
            view.tick()
    finally:
        stop.set()
        while any(thread.is_alive() for thread in threads):
            # Each has its own time to clean up, after which it is killed.
            with suppress(KeyboardInterrupt):
                time.sleep(_PAUSE / 10)


def _follow(one: Run, cwd: Path, stop: threading.Event, done: "queue.SimpleQueue[Run]") -> None:
    one.began, one.state, one.code = time.monotonic(), "running", 1
    said: list[str] = []
    try:
        with tempfile.TemporaryFile() as out:
            _read(one, cwd, stop, said, out)
        one.state, one.code = "passed", 0
    except _Left:
        one.state = "ended"
    except CommandFailed as error:
        one.state, one.code = "failed", error.code
        said += [] if said else [f"{error}\n"]
    except (GoldiError, OSError) as error:
        one.state = "failed"
        said.append(f"{error}\n")
    finally:
        one.seconds = time.monotonic() - one.began
        one.said = mask("".join(said))
        done.put(one)


def _read(one: Run, cwd: Path, stop: threading.Event, said: list[str], out: IO[bytes]) -> None:
    """Read all that it says, and what it writes to `out`; until its end, or until `stop`."""
    build = one.check.build
    with process.stream(one.check.command, cwd=cwd, whole=not build, into=out if build else None) as texts:
        for text in texts:
            if stop.is_set():
                raise _Left
            said.append(text)
            one.last = _last(text) or one.last
    if build:
        out.seek(0)
        with suppress(ValueError):
            one.built = dict(json.loads(out.read() or b"{}"))


def _last(text: str) -> str:
    lines = [line for line in plain(text).splitlines() if line.strip()]
    return mask(lines[-1].strip()) if lines else ""


def plain(text: str) -> str:
    """`text` without colours, links and other sequences for terminals."""
    return _ANSI.sub("", text)
