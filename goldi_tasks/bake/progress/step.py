"""Hold the state of one step of a build. No clock is read here: all times come from events."""

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from goldi_tasks.bake.progress.events import Status, Vertex

# How many lines of a step's output are kept.
TAIL = 20
_STEP_NAME = re.compile(r"^(?:\[(?P<head>[^\]]*)\] )?(?P<instruction>.*)", re.DOTALL)
_CACHE_IMPORT = re.compile(r"(?:\[[^\]]*\] )?importing cache manifest from (?P<cache>\S+)")
# The flags of a RUN, which are left out of its title; a value with a space is in quotes.
_RUN_FLAGS = re.compile(r"""(?<=\bRUN )(?:--(?:mount|network|security|device)=(?:"[^"]*"|'[^']*'|\S)+ )+""")
_STEP_COUNT = re.compile(r"\d+/\d+")
# Escape sequences of terminals, then the remaining control characters.
_CONTROL = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


@dataclass
class Step:
    """A step: BuildKit's vertex and what belongs to it.

    `number` counts the steps in the order of their start, as buildx does; 0 is not started. `spans` are the times when
    it ran, end by start; `tail` is its last output, `rest` the output after the last newline.
    """

    number: int
    now: Vertex
    spans: dict[float, float | None] = field(default_factory=dict)
    statuses: dict[str, Status] = field(default_factory=dict)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))
    rest: bytes = b""

    @cached_property
    def stage(self) -> str:
        """Return the stage, behind its platform where buildx names one; `internal` or `export` for other steps."""
        match = _STEP_NAME.match(self.now.name)
        words = (match["head"] or "").split() if match else []
        if match and match["instruction"].startswith("exporting "):
            return "export"
        if not words or not _STEP_COUNT.fullmatch(words[-1]):
            return "internal"
        # `[target platform stage 1/7]`: buildx leaves out target and platform where there is only one.
        stage = [word for word in words[:-1] if "/" not in word][-1:] or ["stage-0"]
        return " ".join([*(word for word in words[:-1] if "/" in word), *stage])

    @cached_property
    def imports(self) -> str:
        """Return the cache that this step imports, as a reference or as BuildKit's name for it; "" for other steps."""
        match = _CACHE_IMPORT.match(self.now.name)
        return match["cache"] if match else ""

    @property
    def placed(self) -> bool:
        """Return whether this is an instruction of the Dockerfile."""
        return self.stage not in ("internal", "export")

    @property
    def counts(self) -> bool:
        """Return whether a cache can save this step; of a FROM buildx does not report whether it was cached."""
        return self.placed and not self.instruction.startswith("FROM ")

    @cached_property
    def place(self) -> str:
        """Return `2/7` for the second of a stage's seven steps; "" outside of stages."""
        match = _STEP_COUNT.search(self.now.name.partition("]")[0]) if self.placed else None
        return match[0] if match else ""

    @cached_property
    def title(self) -> str:
        """Return the name on one line."""
        return " ".join(strip_control_characters(self.now.name).split())

    @cached_property
    def instruction(self) -> str:
        """Return the name without its prefix in brackets."""
        match = _STEP_NAME.match(self.title)
        return match["instruction"] if match else ""

    @property
    def running(self) -> bool:
        """Return whether it has started and not ended."""
        return self.now.started is not None and self.now.completed is None

    @property
    def canceled(self) -> bool:
        """Return whether it was stopped because another step failed or the build was interrupted."""
        return self.now.error.endswith("context canceled")

    @property
    def failed(self) -> bool:
        """Return whether it ended with an error of its own."""
        return bool(self.now.error) and not self.canceled

    def seconds(self, now: float | None = None) -> float:
        """Return how many seconds it ran; until `now` if it is still running."""
        return count_busy_seconds([self], now)


def count_busy_seconds(steps: Iterable[Step], now: float | None = None) -> float:
    """Return the seconds in which at least one of `steps` ran."""
    spans = sorted((start, end or now or start) for step in steps for start, end in step.spans.items())
    total, covered_until = 0.0, 0.0
    for start, end in spans:
        total += max(0.0, end - max(start, covered_until))
        covered_until = max(covered_until, end)
    return total


def without_flags(name: str) -> str:
    """Return the name of a step without the flags of its RUN: `RUN --mount=... pip install` is `RUN pip install`."""
    return _RUN_FLAGS.sub("", name, count=1)


def strip_control_characters(text: str) -> str:
    """Return `text` without escape sequences and control characters."""
    return _CONTROL.sub("", text)
