"""A build as far as it has come, from events."""

from dataclasses import dataclass, field, replace

from goldi_tasks.bake.progress.events import Event, Log, Notice, Said, Status, Vertex
from goldi_tasks.bake.progress.step import Step, clean

# The steps of buildx in which a builder is started or reached.
_BOOT = ("[internal] booting buildkit", "[internal] waiting for connection")


@dataclass
class Build:
    """All that was heard of a build; `said` are buildx's own lines, `latest` the newest time in an event."""

    steps: dict[str, Step] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    latest: float = 0.0

    def apply(self, event: Event) -> list[str]:
        """Take in an event; gives the lines of output that are complete with it."""
        match event:
            case Vertex():
                return self._vertex(event)
            case Status() if event.vertex in self.steps:
                self.steps[event.vertex].statuses[event.name] = event
            case Log() if event.vertex in self.steps:
                return self._log(self.steps[event.vertex], event)
            case Notice():
                self.warnings.append(clean(event.text))
            case Said():
                self.said.append(clean(event.text))
        return []

    @property
    def counted(self) -> list[Step]:
        """The steps that a cache can save, as far as they were begun."""
        return [step for step in self.steps.values() if step.counts and step.number]

    @property
    def failures(self) -> list[Step]:
        """The steps that failed by themselves; a cache that is not there fails no build."""
        return [step for step in self.steps.values() if step.failed and not step.imports]

    @property
    def boot_failure(self) -> str:
        """Why the builder did not start, as buildx says it; "" if it did."""
        return next((step.now.error for step in self.failures if step.now.name in _BOOT), "")

    @property
    def imports(self) -> dict[str, str]:
        """The caches outside of the builder that were looked at, by name, each with why it could not be read or ""."""
        return {step.imports: step.now.error for step in self.steps.values() if step.imports}

    @property
    def sent(self) -> int | None:
        """Bytes of the context that went to the builder, which keeps what it had; None if nothing was said."""
        sizes = [
            status.current
            for step in self.steps.values()
            if "load build context" in step.now.name
            for status in step.statuses.values()
            if status.name.startswith("transferring")
        ]
        return sum(sizes) if sizes else None

    def _vertex(self, vertex: Vertex) -> list[str]:
        step = self.steps.setdefault(vertex.digest, Step(0, vertex))
        # The layers of a step that a far cache has come when they are needed: it is told once more then, as if it ran.
        step.now = replace(vertex, cached=True) if step.now.cached and not step.tail else vertex
        self.latest = max(self.latest, vertex.started or 0, vertex.completed or 0)
        if vertex.started is not None:
            step.spans[vertex.started] = vertex.completed
            step.number = step.number or 1 + max(it.number for it in self.steps.values())
        # A last line may have no end.
        return self._log(step, Log(vertex.digest, b"\n")) if step.rest and vertex.completed else []

    def _log(self, step: Step, log: Log) -> list[str]:
        self.latest = max(self.latest, log.at or 0)
        *lines, step.rest = (step.rest + log.data).split(b"\n")
        # Of what was written over, as progress bars are, the last is left.
        shown = [clean(line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]) for line in lines]
        step.tail.extend(shown)
        return shown
