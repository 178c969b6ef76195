"""Collect the events of a running build into its present state."""

from dataclasses import dataclass, field, replace

from goldi_tasks.bake.progress.events import Event, Log, Notice, OutputLine, Status, Vertex
from goldi_tasks.bake.progress.step import Step, strip_control_characters

# buildx's steps that start a builder or connect to it.
_BOOT_STEPS = ("[internal] booting buildkit", "[internal] waiting for connection")


@dataclass
class RunningBuild:
    """The state of a build; `output` are lines that are not events, `latest` is the newest time in an event."""

    steps: dict[str, Step] = field(default_factory=dict)
    output: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    latest: float = 0.0

    def apply(self, event: Event) -> list[str]:
        """Apply an event; return the lines of output that it completes."""
        match event:
            case Vertex():
                return self._apply_vertex(event)
            case Status() if event.vertex in self.steps:
                self.steps[event.vertex].statuses[event.name] = event
            case Log() if event.vertex in self.steps:
                return self._apply_log(self.steps[event.vertex], event)
            case Notice():
                self.warnings.append(strip_control_characters(event.text))
            case OutputLine():
                self.output.append(strip_control_characters(event.text))
        return []

    @property
    def counted(self) -> list[Step]:
        """Return the started steps that a cache can save."""
        return [step for step in self.steps.values() if step.counts and step.number]

    @property
    def failures(self) -> list[Step]:
        """Return the steps with an error of their own, without cache imports, which do not make a build fail."""
        return [step for step in self.steps.values() if step.failed and not step.imports]

    @property
    def boot_failure(self) -> str:
        """Return the error of buildx where the builder did not start; "" if it did."""
        return next((step.now.error for step in self.failures if step.now.name in _BOOT_STEPS), "")

    @property
    def imports(self) -> dict[str, str]:
        """Return the caches that the build tried to import: error by name, "" where the import succeeded."""
        return {step.imports: step.now.error for step in self.steps.values() if step.imports}

    @property
    def sent(self) -> int | None:
        """Return the bytes of the context that were sent to the builder, changes only; None if buildx reports none."""
        sizes = [
            status.current
            for step in self.steps.values()
            if "load build context" in step.now.name
            for status in step.statuses.values()
            if status.name.startswith("transferring")
        ]
        return sum(sizes) if sizes else None

    def _apply_vertex(self, vertex: Vertex) -> list[str]:
        step = self.steps.setdefault(vertex.digest, Step(0, vertex))
        # A step from a remote cache is reported a second time, as if it ran, when its layers are downloaded.
        step.now = replace(vertex, cached=True) if step.now.cached and not step.tail else vertex
        self.latest = max(self.latest, vertex.started or 0, vertex.completed or 0)
        if vertex.started is not None:
            step.spans[vertex.started] = vertex.completed
            step.number = step.number or 1 + max(other.number for other in self.steps.values())
        # The last line of a step's output may have no newline.
        return self._apply_log(step, Log(vertex.digest, b"\n")) if step.rest and vertex.completed else []

    def _apply_log(self, step: Step, log: Log) -> list[str]:
        self.latest = max(self.latest, log.timestamp or 0)
        *lines, step.rest = (step.rest + log.data).split(b"\n")
        # Keep only the last text of a line that was overwritten with \r, as by a progress bar.
        output = [
            strip_control_characters(line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]) for line in lines
        ]
        step.tail.extend(output)
        return output
