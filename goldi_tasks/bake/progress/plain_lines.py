"""Print progress as lines in the format of buildx's `plain`: for CI, files, and terminals that cannot redraw."""

from collections.abc import Callable
from dataclasses import dataclass, field

from goldi_tasks.bake.progress.events import Event, Log, Notice, Status, Vertex
from goldi_tasks.bake.progress.running_build import RunningBuild
from goldi_tasks.bake.progress.step import Step, without_flags
from goldi_tasks.units import format_size

# Seconds after which a step outside the Dockerfile, such as a download, is shown.
_LONG = 1.0


@dataclass
class PlainView:
    """A printer of all steps; it writes one line at a time with `say`.

    The lines of steps that run at the same time differ in their `#number`. As in buildx, the title of a step is printed
    again when the output comes back to it.
    """

    say: Callable[[str], None]
    build: RunningBuild
    _current: Step | None = None
    _ended: dict[str, str] = field(default_factory=dict)
    _shown_statuses: set[tuple[str, str]] = field(default_factory=set)

    def show(self, event: Event, output: list[str]) -> None:
        """Show an `event` that was applied to the build, and the lines of `output` that it completed."""
        match event:
            case Vertex() if event.started is not None:
                step = self.build.steps[event.digest]
                self._print_title(step)
                self._print_output(step, event.completed, output)
                has_ended = event.completed is not None and step.number
                if has_ended and self._end_state(step) != self._ended.get(event.digest):
                    self._print_end(step)
            case Status() if event.vertex in self.build.steps and event.completed is not None:
                self._print_status(self.build.steps[event.vertex], event)
            case Log() if output:
                step = self.build.steps[event.vertex]
                self._print_title(step)
                self._print_output(step, event.timestamp, output)
            case Notice():
                self.say(f"warning: {self.build.warnings[-1]}")

    def tick(self) -> None:
        """Do nothing: plain output shows no passing time."""

    def _print_title(self, step: Step) -> None:
        if step is self._current or step.now.digest in self._ended:
            return
        if self._current and self._current.now.digest not in self._ended:
            self.say(f"#{self._current.number} ...")
        if self._current:
            self.say("")
        self._current = step
        self.say(f"#{step.number} {self._title(step)}")

    def _title(self, step: Step) -> str:
        return step.title

    def _print_output(self, step: Step, timestamp: float | None, output: list[str]) -> None:
        seconds = max(0.0, (timestamp or self.build.latest) - (step.now.started or self.build.latest))
        for line in output:
            self.say(f"#{step.number} {seconds:.3f} {line}")

    def _print_status(self, step: Step, status: Status) -> None:
        if (status.vertex, status.name) in self._shown_statuses or (
            status.vertex in self._ended and not status.current
        ):
            # A status may arrive after the end of its step; then it is shown only for its size.
            return
        self._shown_statuses.add((status.vertex, status.name))
        self._print_title(step)
        size = f" {format_size(status.current)}" if status.current else ""
        seconds = (status.completed or 0) - (status.started or status.completed or 0)
        self.say(f"#{step.number} {status.name}{size}{f' {seconds:.1f}s' if seconds >= 0.05 else ''} done")

    def _print_end(self, step: Step) -> None:
        """Print how the step ended; buildx may report that it came from a cache only after its end."""
        self._ended[step.now.digest] = end_state = self._end_state(step)
        time = f" {step.seconds():.1f}s" if end_state == "DONE" else ""
        self.say(f"#{step.number} {end_state}{time}")

    def _end_state(self, step: Step) -> str:
        if step.canceled:
            return "CANCELED"
        if step.failed:
            return f"ERROR: {step.now.error}"
        return "CACHED" if step.now.cached else "DONE"


class BriefView(PlainView):
    """A printer of the steps that ran, took long, had output or failed; cached steps are only counted in the summary.

    buildx starts and completes a cached step in one event, so a step that has only started is not cached.
    """

    def show(self, event: Event, output: list[str]) -> None:
        """Show an `event` unless it is about a cached or a short step without output."""
        match event:
            case Vertex() if event.started is not None and not output:
                step = self.build.steps[event.digest]
                if step is not self._current and not self._is_shown(step):
                    return
            case Status() if (event.completed or 0) - (event.started or event.completed or 0) < _LONG:
                return
        super().show(event, output)

    def _title(self, step: Step) -> str:
        return without_flags(step.title)

    def _is_shown(self, step: Step) -> bool:
        """Return whether a step without output is shown."""
        if step.now.cached or step.canceled:
            return False
        return step.failed or step.counts or step.seconds() >= _LONG
