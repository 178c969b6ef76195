"""One step of a build, from events. No clock in here: all times are the events' own."""

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from goldi_tasks.bake.progress.events import Status, Vertex

# Lines of a step's output that are kept.
TAIL = 20
_NAME = re.compile(r"^(?:\[(?P<head>[^\]]*)\] )?(?P<what>.*)", re.DOTALL)
_IMPORT = re.compile(r"(?:\[[^\]]*\] )?importing cache manifest from (?P<cache>\S+)")
# A RUN's own flags, which say nothing of its command; a value with a space is in quotes.
_FLAGS = re.compile(r"""(?<=\bRUN )(?:--(?:mount|network|security|device)=(?:"[^"]*"|'[^']*'|\S)+ )+""")
_COUNT = re.compile(r"\d+/\d+")
# What a terminal would obey: escape sequences, then what is left of control characters.
_CONTROL = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


@dataclass
class Step:
    """One vertex. `number` is its place in the order of starting, as buildx numbers them."""

    number: int
    now: Vertex
    spans: dict[float, float | None] = field(default_factory=dict)
    statuses: dict[str, Status] = field(default_factory=dict)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))
    rest: bytes = b""

    @cached_property
    def stage(self) -> str:
        """The Dockerfile's stage, with the platform where buildx says one; else `internal` or `export`."""
        found = _NAME.match(self.now.name)
        words = (found["head"] or "").split() if found else []
        if found and found["what"].startswith("exporting "):
            return "export"
        if not words or not _COUNT.fullmatch(words[-1]):
            return "internal"
        # `[target platform stage 1/7]`: the first two are left out where there is one of them.
        named = [word for word in words[:-1] if "/" not in word][-1:] or ["stage-0"]
        return " ".join([*(word for word in words[:-1] if "/" in word), *named])

    @cached_property
    def imports(self) -> str:
        """The cache that this step looks at: a reference, or BuildKit's name for another kind; "" for other steps."""
        found = _IMPORT.match(self.now.name)
        return found["cache"] if found else ""

    @property
    def placed(self) -> bool:
        """Whether this is an instruction of the Dockerfile."""
        return self.stage not in ("internal", "export")

    @property
    def counts(self) -> bool:
        """Whether it is work that a cache can save; buildx does not say of a FROM whether it did."""
        return self.placed and not self.instruction.startswith("FROM ")

    @cached_property
    def place(self) -> str:
        """`2/7` for the second of a stage's seven steps; "" outside of stages."""
        found = _COUNT.search(self.now.name.partition("]")[0]) if self.placed else None
        return found[0] if found else ""

    @cached_property
    def title(self) -> str:
        """The name on one line."""
        return " ".join(clean(self.now.name).split())

    @cached_property
    def instruction(self) -> str:
        """The name without what stands in brackets."""
        found = _NAME.match(self.title)
        return found["what"] if found else ""

    @property
    def running(self) -> bool:
        """Whether it has started and not ended."""
        return self.now.started is not None and self.now.completed is None

    @property
    def canceled(self) -> bool:
        """Whether it was ended because another one failed, or somebody wanted it."""
        return self.now.error.endswith("context canceled")

    @property
    def failed(self) -> bool:
        """Whether it ended with an error of its own."""
        return bool(self.now.error) and not self.canceled

    def seconds(self, now: float | None = None) -> float:
        """How long it ran; until `now` where it still runs."""
        return busy([self], now)


def busy(steps: Iterable[Step], now: float | None = None) -> float:
    """Seconds in which at least one of `steps` ran."""
    spans = sorted((start, end or now or start) for step in steps for start, end in step.spans.items())
    total, until = 0.0, 0.0
    for start, end in spans:
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def without_flags(name: str) -> str:
    """Return the name of a step without the flags of its RUN: `RUN --mount=... pip install` is `RUN pip install`."""
    return _FLAGS.sub("", name, count=1)


def clean(text: str) -> str:
    """`text` without what a terminal would obey."""
    return _CONTROL.sub("", text)
