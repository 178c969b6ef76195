"""All that CI checks: turn by turn, shown as it goes, with one exit code."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks.ci.jobs import Check, turns
from goldi_tasks.ci.parallel import Run, View, together
from goldi_tasks.errors import Interrupted


@dataclass(frozen=True)
class Outcome:
    """What came of all checks, in the order in which they were wanted; `first` is what failed first."""

    runs: Sequence[Run]
    first: Run | None
    seconds: float

    @property
    def code(self) -> int:
        """0, or the exit code of what failed first."""
        return self.first.code if self.first else 0


class _Watch:
    """Passes on to a view, and remembers what failed first."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.first: Run | None = None

    def ended(self, one: Run) -> None:
        """A check came to its end."""
        if one.state == "failed":
            self.first = self.first or one
        self.view.ended(one)

    def tick(self) -> None:
        """Some time went by."""
        self.view.tick()


def run_all(
    checks: Sequence[Check],
    cwd: Path,
    view: Callable[[Sequence[Run]], AbstractContextManager[View]],
    *,
    fail_fast: bool,
) -> Outcome:
    """Run `checks` in `cwd`, each in its turn, shown by what `view` makes; if `fail_fast`, up to the first that fails.

    Raises Interrupted; nothing runs on then.
    """
    began, runs = time.monotonic(), {check.name: Run(check) for check in checks}
    try:
        with view(list(runs.values())) as shown:
            watch = _Watch(shown)
            for turn in turns(checks):
                if not (fail_fast and watch.first):
                    together([runs[check.name] for check in turn], cwd, watch, fail_fast=fail_fast)
    except KeyboardInterrupt:
        raise Interrupted from None
    for one in runs.values():
        one.state = "ended" if one.state == "waiting" else one.state
    return Outcome(list(runs.values()), watch.first, time.monotonic() - began)
