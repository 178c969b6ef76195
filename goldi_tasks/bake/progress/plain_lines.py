"""Progress as lines, in the shape of buildx's own `plain`: for CI, for files, for a terminal that cannot redraw."""

from collections.abc import Callable
from dataclasses import dataclass, field

from goldi_tasks.bake.progress.events import Event, Log, Notice, Status, Vertex
from goldi_tasks.bake.progress.running_build import Build
from goldi_tasks.bake.progress.step import Step, without_flags
from goldi_tasks.units import format_size

# Seconds after which also what is no instruction of the Dockerfile is of interest, such as a download.
_LONG = 1.0


@dataclass
class Lines:
    """Writes through `say`, a line at a time.

    The lines of several steps that run at once are told apart by `#number`; a step that is gone back to is
    named again, as buildx does.
    """

    say: Callable[[str], None]
    build: Build
    _open: Step | None = None
    _ended: dict[str, str] = field(default_factory=dict)
    _told: set[tuple[str, str]] = field(default_factory=set)

    def show(self, event: Event, output: list[str]) -> None:
        """Show an `event` that the build has taken in, and the lines of `output` that came with it."""
        match event:
            case Vertex() if event.started is not None:
                step = self.build.steps[event.digest]
                self._name(step)
                self._output(step, event.completed, output)
                if event.completed is not None and step.number and self._how(step) != self._ended.get(event.digest):
                    self._end(step)
            case Status() if event.vertex in self.build.steps and event.completed is not None:
                self._part(self.build.steps[event.vertex], event)
            case Log() if output:
                step = self.build.steps[event.vertex]
                self._name(step)
                self._output(step, event.at, output)
            case Notice():
                self.say(f"warning: {self.build.warnings[-1]}")

    def tick(self) -> None:
        """Time goes by: no line for that."""

    def _name(self, step: Step) -> None:
        if step is self._open or step.now.digest in self._ended:
            return
        if self._open and self._open.now.digest not in self._ended:
            self.say(f"#{self._open.number} ...")
        if self._open:
            self.say("")
        self._open = step
        self.say(f"#{step.number} {self._title(step)}")

    def _title(self, step: Step) -> str:
        return step.title

    def _output(self, step: Step, at: float | None, output: list[str]) -> None:
        since = max(0.0, (at or self.build.latest) - (step.now.started or self.build.latest))
        for line in output:
            self.say(f"#{step.number} {since:.3f} {line}")

    def _part(self, step: Step, status: Status) -> None:
        if (status.vertex, status.name) in self._told or (status.vertex in self._ended and not status.current):
            # It may be told after the end of its step: then its size is all that is of interest.
            return
        self._told.add((status.vertex, status.name))
        self._name(step)
        size = f" {format_size(status.current)}" if status.current else ""
        seconds = (status.completed or 0) - (status.started or status.completed or 0)
        self.say(f"#{step.number} {status.name}{size}{f' {seconds:.1f}s' if seconds >= 0.05 else ''} done")

    def _end(self, step: Step) -> None:
        """Say how it ended; that it came from a cache may be told only after its end."""
        self._ended[step.now.digest] = how = self._how(step)
        time = f" {step.seconds():.1f}s" if how == "DONE" else ""
        self.say(f"#{step.number} {how}{time}")

    def _how(self, step: Step) -> str:
        if step.canceled:
            return "CANCELED"
        if step.failed:
            return f"ERROR: {step.now.error}"
        return "CACHED" if step.now.cached else "DONE"


class Brief(Lines):
    """Lines for what ran, took long, said something or failed; what came from a cache is only counted, in the end.

    buildx begins what it takes from a cache and ends it in one event, so a step that only begins does run.
    """

    def show(self, event: Event, output: list[str]) -> None:
        """Show an `event`, if it is one that matters."""
        match event:
            case Vertex() if event.started is not None and not output:
                step = self.build.steps[event.digest]
                if step is not self._open and not self._matters(step):
                    return
            case Status() if (event.completed or 0) - (event.started or event.completed or 0) < _LONG:
                return
        super().show(event, output)

    def _title(self, step: Step) -> str:
        return without_flags(step.title)

    def _matters(self, step: Step) -> bool:
        """Whether a step without output is shown."""
        if step.now.cached or step.canceled:
            return False
        return step.failed or step.counts or step.seconds() >= _LONG
