"""Run all checks of CI in turns, show them, and combine their exit codes."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks.ci.jobs import Check, turns
from goldi_tasks.ci.parallel import ChecksView, Run, run_in_parallel
from goldi_tasks.errors import Interrupted


@dataclass(frozen=True)
class Outcome:
    """The results of all checks in the given order, the check that failed `first`, and the time in seconds."""

    runs: Sequence[Run]
    first: Run | None
    seconds: float

    @property
    def code(self) -> int:
        """Return the exit code of the check that failed first, 0 if none did."""
        return self.first.exit_code if self.first else 0


class _FailureRecorder:
    """A view that forwards to another view, and records the check that failed first."""

    def __init__(self, view: ChecksView) -> None:
        self.view = view
        self.first_failed: Run | None = None

    def ended(self, run: Run) -> None:
        """Record a failed check, and forward it."""
        if run.state == "failed":
            self.first_failed = self.first_failed or run
        self.view.ended(run)

    def tick(self) -> None:
        """Forward the update."""
        self.view.tick()


def run_all(
    checks: Sequence[Check],
    cwd: Path,
    view: Callable[[Sequence[Run]], AbstractContextManager[ChecksView]],
    *,
    fail_fast: bool,
) -> Outcome:
    """Run `checks` in `cwd` in turns; `view` creates their display. If `fail_fast`, the first failure ends the rest.

    Raises Interrupted, after all processes of the checks have ended.
    """
    started_at, runs = time.monotonic(), {check.name: Run(check) for check in checks}
    try:
        with view(list(runs.values())) as display:
            recorder = _FailureRecorder(display)
            for turn in turns(checks):
                if not (fail_fast and recorder.first_failed):
                    run_in_parallel([runs[check.name] for check in turn], cwd, recorder, fail_fast=fail_fast)
    except KeyboardInterrupt:
        raise Interrupted from None
    for run in runs.values():
        run.state = "ended" if run.state == "waiting" else run.state
    return Outcome(list(runs.values()), recorder.first_failed, time.monotonic() - started_at)
