"""Progress on a terminal: a table that is redrawn, one row for each stage and one for what it says."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from goldi_tasks.bake.progress.events import Event, Notice
from goldi_tasks.bake.progress.running_build import Build
from goldi_tasks.bake.progress.step import Step, busy, without_flags
from goldi_tasks.command import mask

# Seconds between two drawings.
_PAUSE = 0.1
_STYLES = {"failed": "red", "running": "cyan", "ended": "yellow", "cached": "green", "done": "green"}
_MARKS = {"failed": "✗", "running": "…", "ended": "-", "cached": "✓", "done": "✓"}


@dataclass(frozen=True)
class Row:
    """A stage: what is to be said of it (a key of the styles), its name, step, time, and what it does and says."""

    state: str
    stage: str
    place: str
    time: str
    does: str
    says: str = ""


def rows(build: Build, now: float, *, height: int = 100) -> list[Row]:
    """A row for each stage, in the order of their beginning; in less than `height` lines those that ended go first."""
    stages: dict[str, list[Step]] = {}
    for step in sorted(build.steps.values(), key=lambda step: step.number):
        if step.number:
            stages.setdefault(step.stage, []).append(step)
    found = [_row(stage, steps, now) for stage, steps in stages.items()]
    while len(found) > 1 and sum(2 if row.says else 1 for row in found) > height:
        found.remove(next((row for row in found if row.state not in ("running", "failed")), found[0]))
    return found


@contextmanager
def screen(title: str, build: Build) -> Iterator["Screen"]:
    """A live table on standard error. Leaving gives the terminal back as it was, with the last state shown."""
    shown = Screen(title, build)
    try:
        shown.live.start()
        yield shown
        shown.draw()
    finally:
        shown.live.stop()


class Screen:
    """The table."""

    def __init__(self, title: str, build: Build) -> None:
        # Imported here: 0.06 s, in which buildx has already begun.
        from rich.console import Console
        from rich.live import Live

        self._title, self._build = title, build
        self._console = Console(stderr=True, force_terminal=True, highlight=False)
        # Drawn by us only, between events: a thread would see a state that changes.
        self.live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._began = self._drawn = time.monotonic()
        self._ahead = float("-inf")

    def show(self, event: Event, output: list[str]) -> None:
        """Say at once what has no row; the next drawing shows the rest."""
        if isinstance(event, Notice):
            self.say(f"warning: {self._build.warnings[-1]}")

    def say(self, line: str) -> None:
        """A line above the table."""
        from rich.text import Text

        self._console.print(Text(mask(line)))

    def tick(self) -> None:
        """Draw, if it is time to."""
        now = time.monotonic()
        # The builder's clock may not be ours: it is the newest time that was heard from there, and goes on.
        self._ahead = max(self._ahead, self._build.latest - now)
        if now - self._drawn >= _PAUSE:
            self._drawn = now
            self.draw()

    def draw(self) -> None:
        """Draw what is now."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        now = time.monotonic()
        # The ^C that a terminal writes behind the last line must not begin a new one.
        table = Table.grid(padding=(0, 1), expand=True)
        table.width = max(20, self._console.width - 4)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for row in rows(self._build, now + self._ahead, height=max(3, self._console.height - 2)):
            style = _STYLES[row.state]
            first = (_MARKS[row.state], row.stage, row.place, row.time)
            table.add_row(*(Text(part, style) for part in first), Text(mask(row.does)))
            if row.says:
                table.add_row("", "", "", "", Text(mask(row.says), "dim"))
        title = Text(f"{self._title}  {now - self._began:.1f} s", "bold", no_wrap=True, overflow="ellipsis")
        self.live.update(Group(title, table), refresh=True)


def _row(stage: str, steps: list[Step], now: float) -> Row:
    failed = [step for step in steps if step.failed]
    running = [step for step in steps if step.running]
    state = _state(steps)
    current = (failed or running or sorted(steps, key=lambda step: step.now.completed or 0))[-1]
    does = without_flags(current.instruction) if state in ("failed", "running") else ""
    said = _said(current) if state == "running" else ""
    return Row(state, stage, current.place, "cached" if state == "cached" else f"{busy(steps, now):.1f} s", does, said)


def _said(step: Step) -> str:
    """The last line of a step's output, else what it is at."""
    parts = [status.name for status in step.statuses.values() if status.completed is None]
    written = [line for line in step.tail if line.strip()]
    return (written or parts or [""])[-1]


def _state(steps: list[Step]) -> str:
    if any(step.failed for step in steps):
        return "failed"
    if any(step.running for step in steps):
        return "running"
    if any(step.canceled for step in steps):
        return "ended"
    counted = [step for step in steps if step.counts]
    return "cached" if counted and all(step.now.cached for step in counted) else "done"
