"""What a benchmark times: seconds by name, and their medians."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

# As where packages are installed: else an editable one is compiled each time, and others are not.
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}


@dataclass
class Times:
    """`seconds` of every round by name. `tell` hears what is done next, after a `heading`."""

    tell: Callable[[str], None]
    seconds: dict[str, list[float]] = field(default_factory=dict)
    heading: str = ""

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Tell of the block and time it; one that raises does not count."""
        self.tell(self.heading + name)
        began = time.perf_counter()
        yield
        self.seconds.setdefault(name, []).append(time.perf_counter() - began)

    def medians(self) -> dict[str, float]:
        """The median of each."""
        return {name: median(times) for name, times in self.seconds.items()}
