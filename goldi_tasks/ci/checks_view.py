"""Show checks while they run: a live table on a terminal, elsewhere the whole output of each when it ends."""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from goldi_tasks.ci.parallel import ChecksView, Run
from goldi_tasks.command import mask

_STYLES = {"waiting": "dim", "running": "cyan", "passed": "green", "failed": "red", "ended": "yellow"}
_MARKS = {"waiting": " ", "running": "…", "passed": "✓", "failed": "✗", "ended": "-"}
# The problem matchers that GitHub applies to the output of mypy, pytest, hadolint and shellcheck.
MATCHERS = Path(__file__).with_name("matchers.json")


@contextmanager
def show_checks(runs: Sequence[Run], environ: Mapping[str, str] = os.environ) -> Iterator[ChecksView]:
    """Yield the view of `runs`: a table on standard error if that is a terminal, else lines on standard output."""
    if not sys.stderr.isatty() or environ.get("TERM", "dumb") in ("dumb", "unknown", ""):
        yield PlainChecks(runs, github="GITHUB_ACTIONS" in environ)
        return
    table = Table(runs)
    try:
        table.live.start()
        yield table
    finally:
        table.draw()
        table.live.stop()


class PlainChecks:
    """The whole output of each check when it ends; GitHub folds that of passed checks, and annotates problems.

    For that RUFF_OUTPUT_FORMAT makes ruff print annotations; problem matchers (`::add-matcher::`) read the usual
    output of mypy, pytest, hadolint and shellcheck.
    """

    def __init__(self, runs: Sequence[Run], *, github: bool = False) -> None:
        self._github = github
        names = [f"{run.check.name}, alone" if run.check.alone else run.check.name for run in runs]
        print(f"checks: {'; '.join(names)}", flush=True)
        if github:
            print(f"::add-matcher::{MATCHERS}", flush=True)

    def ended(self, run: Run) -> None:
        """Print the whole output of a check that ended."""
        is_folded = self._github and run.state == "passed"
        print(f"{'::group::' if is_folded else '=== '}{run.check.name}: {format_result(run)}")
        print(run.output, end="" if run.output.endswith("\n") or not run.output else "\n")
        print("::endgroup::" if is_folded else "", flush=True)

    def tick(self) -> None:
        """Do nothing: only a table changes with time."""


class Table:
    """A row for each check, redrawn; above it the output of what failed."""

    def __init__(self, runs: Sequence[Run]) -> None:
        # Imported here: 0.06 s, needed on a terminal only.
        from rich.console import Console
        from rich.live import Live

        self._runs, self._started_at = runs, time.monotonic()
        self._console = Console(stderr=True, force_terminal=True, highlight=False)
        self.live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)

    def ended(self, run: Run) -> None:
        """Print the output of a failed check above the table."""
        from rich.text import Text

        if run.state == "failed":
            self._console.print(Text(f"=== {run.check.name}: {format_result(run)}", "bold red"))
            self._console.print(Text.from_ansi(run.output))

    def tick(self) -> None:
        """Redraw the table with the current times."""
        self.draw()

    def draw(self) -> None:
        """Draw the table."""
        from rich.console import Group
        from rich.table import Table as Grid
        from rich.text import Text

        grid = Grid.grid(padding=(0, 1), expand=True)
        # The ^C that a terminal prints after the last line must not wrap.
        grid.width = max(20, self._console.width - 4)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, justify="right")
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        now = time.monotonic()
        for run in self._runs:
            first = (_MARKS[run.state], run.check.name, seconds(run, now))
            activity = mask(run.last_line) if run.state == "running" else run.cached
            grid.add_row(*(Text(part, _STYLES[run.state]) for part in first), Text(activity, "dim"))
        title = Text(f"checks  {now - self._started_at:.1f} s", "bold", no_wrap=True, overflow="ellipsis")
        self.live.update(Group(title, grid), refresh=True)


def format_result(run: Run) -> str:
    """Return the state of a check that ended, its time, cache use and exit code, in words."""
    parts = [
        run.state,
        f"{run.seconds:.1f} s",
        run.cached,
        f"exit code {run.exit_code}" if run.state == "failed" else "",
    ]
    return ", ".join(filter(None, parts))


def seconds(run: Run, now: float) -> str:
    """Return how long a check has run by `now`; "" if it has not started."""
    if not run.started_at:
        return ""
    return f"{now - run.started_at if run.state == 'running' else run.seconds:.1f} s"
