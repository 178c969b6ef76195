"""Show progress on a terminal as a table that is redrawn: each stage has a row, and one for its last output."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from goldi_tasks.bake.progress.events import Event, Notice
from goldi_tasks.bake.progress.running_build import RunningBuild
from goldi_tasks.bake.progress.step import Step, count_busy_seconds, without_flags
from goldi_tasks.command import mask

# Seconds between two drawings.
_REDRAW_INTERVAL = 0.1
_STYLES = {"failed": "red", "running": "cyan", "ended": "yellow", "cached": "green", "done": "green"}
_MARKS = {"failed": "✗", "running": "…", "ended": "-", "cached": "✓", "done": "✓"}


@dataclass(frozen=True)
class StageRow:
    """A stage of the build in the table.

    `state` is a key of _STYLES, `place` the step such as `2/7`, `time` the seconds or `cached`, `output` a line.
    """

    state: str
    stage: str
    place: str
    time: str
    instruction: str
    output: str = ""


def list_stage_rows(build: RunningBuild, now: float, *, height: int = 100) -> list[StageRow]:
    """Return a row for each stage, in the order of their start; drop ended stages first to fit into `height` lines."""
    stages: dict[str, list[Step]] = {}
    for step in sorted(build.steps.values(), key=lambda step: step.number):
        if step.number:
            stages.setdefault(step.stage, []).append(step)
    table = [_make_row(stage, steps, now) for stage, steps in stages.items()]
    while len(table) > 1 and sum(2 if row.output else 1 for row in table) > height:
        table.remove(next((row for row in table if row.state not in ("running", "failed")), table[0]))
    return table


@contextmanager
def show_live_table(title: str, build: RunningBuild) -> Iterator["LiveTable"]:
    """Show a live table on standard error while the block runs; then restore the terminal below the last state."""
    table = LiveTable(title, build)
    try:
        table.live.start()
        yield table
        table.draw()
    finally:
        table.live.stop()


class LiveTable:
    """The live table."""

    def __init__(self, title: str, build: RunningBuild) -> None:
        # Imported here: it takes 0.06 s, and buildx is already running.
        from rich.console import Console
        from rich.live import Live

        self._title, self._build = title, build
        self._console = Console(stderr=True, force_terminal=True, highlight=False)
        # Drawn between events only: a refresh thread would read the build while it changes.
        self.live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._started_at = self._drawn_at = time.monotonic()
        self._clock_offset = float("-inf")

    def show(self, event: Event, output: list[str]) -> None:
        """Print a warning at once; the next drawing shows everything else."""
        if isinstance(event, Notice):
            self.say(f"warning: {self._build.warnings[-1]}")

    def say(self, line: str) -> None:
        """Print a line above the table."""
        from rich.text import Text

        self._console.print(Text(mask(line)))

    def tick(self) -> None:
        """Draw if the redraw interval has passed."""
        now = time.monotonic()
        # The builder's clock may differ from ours: estimate it by the newest time in an event.
        self._clock_offset = max(self._clock_offset, self._build.latest - now)
        if now - self._drawn_at >= _REDRAW_INTERVAL:
            self._drawn_at = now
            self.draw()

    def draw(self) -> None:
        """Draw the present state."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        now = time.monotonic()
        # Leave space for the ^C that a terminal prints after the last line: it must not wrap.
        table = Table.grid(padding=(0, 1), expand=True)
        table.width = max(20, self._console.width - 4)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for row in list_stage_rows(self._build, now + self._clock_offset, height=max(3, self._console.height - 2)):
            style = _STYLES[row.state]
            cells = (_MARKS[row.state], row.stage, row.place, row.time)
            table.add_row(*(Text(cell, style) for cell in cells), Text(mask(row.instruction)))
            if row.output:
                table.add_row("", "", "", "", Text(mask(row.output), "dim"))
        title = Text(f"{self._title}  {now - self._started_at:.1f} s", "bold", no_wrap=True, overflow="ellipsis")
        self.live.update(Group(title, table), refresh=True)


def _make_row(stage: str, steps: list[Step], now: float) -> StageRow:
    failed = [step for step in steps if step.failed]
    running = [step for step in steps if step.running]
    state = _stage_state(steps)
    current = (failed or running or sorted(steps, key=lambda step: step.now.completed or 0))[-1]
    time_text = "cached" if state == "cached" else f"{count_busy_seconds(steps, now):.1f} s"
    instruction = without_flags(current.instruction) if state in ("failed", "running") else ""
    output = _last_output(current) if state == "running" else ""
    return StageRow(state, stage, current.place, time_text, instruction, output)


def _last_output(step: Step) -> str:
    """Return the last line of a step's output; without output the name of its last unfinished status, or ""."""
    unfinished = [status.name for status in step.statuses.values() if status.completed is None]
    lines = [line for line in step.tail if line.strip()]
    return (lines or unfinished or [""])[-1]


def _stage_state(steps: list[Step]) -> str:
    if any(step.failed for step in steps):
        return "failed"
    if any(step.running for step in steps):
        return "running"
    if any(step.canceled for step in steps):
        return "ended"
    cacheable = [step for step in steps if step.counts]
    return "cached" if cacheable and all(step.now.cached for step in cacheable) else "done"
