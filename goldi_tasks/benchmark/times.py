"""Measure the steps of a benchmark: seconds by name, and their medians."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

# Write bytecode, as for an installed package; otherwise an editable install is compiled in every run.
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}


@dataclass
class Times:
    """The `seconds` of every round by name. `report` is called with the `heading` and the name of each step."""

    report: Callable[[str], None]
    seconds: dict[str, list[float]] = field(default_factory=dict)
    heading: str = ""

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Report the block and measure it; a block that raises is not counted."""
        self.report(self.heading + name)
        started_at = time.perf_counter()
        yield
        self.seconds.setdefault(name, []).append(time.perf_counter() - started_at)

    def medians(self) -> dict[str, float]:
        """Return the median of the seconds of each name."""
        return {name: median(times) for name, times in self.seconds.items()}
