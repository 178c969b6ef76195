"""How checks are shown while they run: a live table on a terminal, whole outputs one after another elsewhere."""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from goldi_tasks.ci.parallel import Run, View
from goldi_tasks.command import mask

_STYLES = {"waiting": "dim", "running": "cyan", "passed": "green", "failed": "red", "ended": "yellow"}
_MARKS = {"waiting": " ", "running": "…", "passed": "✓", "failed": "✗", "ended": "-"}
# What GitHub reads the lines of mypy, pytest, hadolint and shellcheck with.
MATCHERS = Path(__file__).with_name("matchers.json")


@contextmanager
def shown(runs: Sequence[Run], environ: Mapping[str, str] = os.environ) -> Iterator[View]:
    """What shows `runs`: a table on standard error where that is a terminal, else lines on standard output."""
    if not sys.stderr.isatty() or environ.get("TERM", "dumb") in ("dumb", "unknown", ""):
        yield Lines(runs, github="GITHUB_ACTIONS" in environ)
        return
    table = Table(runs)
    try:
        table.live.start()
        yield table
    finally:
        table.draw()
        table.live.stop()


class Lines:
    """Each check's output, whole, when it ends. On GitHub what passed is folded, and all of it is read for annotations.

    ruff prints GitHub's own form there, asked to by RUFF_OUTPUT_FORMAT. mypy, pytest, hadolint and shellcheck print
    what they always do, which GitHub reads by patterns (`::add-matcher::`).
    """

    def __init__(self, runs: Sequence[Run], *, github: bool = False) -> None:
        self._github = github
        names = [f"{one.check.name}, alone" if one.check.alone else one.check.name for one in runs]
        print(f"checks: {'; '.join(names)}", flush=True)
        if github:
            print(f"::add-matcher::{MATCHERS}", flush=True)

    def ended(self, one: Run) -> None:
        """Print all that it said."""
        fold = self._github and one.state == "passed"
        print(f"{'::group::' if fold else '=== '}{one.check.name}: {told(one)}")
        print(one.said, end="" if one.said.endswith("\n") or not one.said else "\n")
        print("::endgroup::" if fold else "", flush=True)

    def tick(self) -> None:
        """Time goes by: no line for that."""


class Table:
    """A row for each check, redrawn; above it the output of what failed."""

    def __init__(self, runs: Sequence[Run]) -> None:
        # Imported here: 0.06 s, in which the checks could have begun.
        from rich.console import Console
        from rich.live import Live

        self._runs, self._began = runs, time.monotonic()
        self._console = Console(stderr=True, force_terminal=True, highlight=False)
        self.live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)

    def ended(self, one: Run) -> None:
        """Above the table all that it said, if it failed."""
        from rich.text import Text

        if one.state == "failed":
            self._console.print(Text(f"=== {one.check.name}: {told(one)}", "bold red"))
            self._console.print(Text.from_ansi(one.said))

    def tick(self) -> None:
        """Draw what is now."""
        self.draw()

    def draw(self) -> None:
        """The table."""
        from rich.console import Group
        from rich.table import Table as Grid
        from rich.text import Text

        grid = Grid.grid(padding=(0, 1), expand=True)
        # The ^C that a terminal writes behind the last line must not begin a new one.
        grid.width = max(20, self._console.width - 4)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, justify="right")
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        now = time.monotonic()
        for one in self._runs:
            first = (_MARKS[one.state], one.check.name, seconds(one, now))
            does = mask(one.last) if one.state == "running" else one.cached
            grid.add_row(*(Text(part, _STYLES[one.state]) for part in first), Text(does, "dim"))
        title = Text(f"checks  {now - self._began:.1f} s", "bold", no_wrap=True, overflow="ellipsis")
        self.live.update(Group(title, grid), refresh=True)


def told(one: Run) -> str:
    """How it ended, in words."""
    parts = [one.state, f"{one.seconds:.1f} s", one.cached, f"exit code {one.code}" if one.state == "failed" else ""]
    return ", ".join(filter(None, parts))


def seconds(one: Run, now: float) -> str:
    """How long it took, or takes by `now`; "" for what waits."""
    if not one.began:
        return ""
    return f"{now - one.began if one.state == 'running' else one.seconds:.1f} s"
