"""Compare the medians of a benchmark with their limits: as a table in Markdown, and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

# What is limited: the seconds by which ours takes longer (more), ours / other (times), other / ours (faster).
Kind = Literal["more", "times", "faster"]


@dataclass(frozen=True)
class Limit:
    """A limit, and its row of the table.

    `ours` and `other` are names of measured times, `beside` is the title of the other, `value` the limit.
    """

    title: str
    ours: str
    other: str
    beside: str
    kind: Kind
    value: float

    def measure(self, ours: float, other: float) -> float:
        """Compare the seconds of ours and of the other; return seconds or a ratio, by the kind of the limit."""
        if self.kind == "more":
            return ours - other
        return ours / other if self.kind == "times" else other / ours

    def is_met(self, measured: float) -> bool:
        """Return whether the result of `measure` is within the limit."""
        return measured >= self.value if self.kind == "faster" else measured <= self.value

    def format(self, value: float) -> str:
        """Format a result of `measure`."""
        return f"{value:+.2f} s" if self.kind == "more" else f"{value:.2f} times{' as fast' * (self.kind == 'faster')}"


@dataclass(frozen=True)
class LimitReport:
    """Medians of `rounds`, in seconds by name, on a machine with `cores`; `what` titles the first column."""

    rounds: int
    cores: int
    seconds: Mapping[str, float]
    limits: Sequence[Limit]
    what: str = "check"
    note: str = ""

    def rows(self) -> Iterator[tuple[Limit, float, float, float]]:
        """Yield each measured limit, the seconds of ours and of the other, and the result of `Limit.measure`."""
        for limit in self.limits:
            if limit.ours in self.seconds and limit.other in self.seconds:
                ours, other = self.seconds[limit.ours], self.seconds[limit.other]
                yield limit, ours, other, limit.measure(ours, other)


def lines(report: LimitReport) -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"| {report.what} | here | beside | limit | measured |"
    yield "|---|---|---|---|---|"
    for limit, ours, other, measured in report.rows():
        verdict = f"{limit.format(measured)}{'' if limit.is_met(measured) else ', **missed**'}"
        allowed = limit.format(limit.value)
        yield f"| {limit.title} | {ours:.2f} s | {limit.beside} {other:.2f} s | {allowed} | {verdict} |"
    yield ""
    yield f"Medians of {report.rounds}, from one run, on {report.cores} cores. {report.note}".rstrip()


def as_json(report: LimitReport) -> dict[str, Any]:
    """Return the report as JSON types."""
    return {
        "rounds": report.rounds,
        "cores": report.cores,
        "seconds": {name: round(seconds, 3) for name, seconds in report.seconds.items()},
        "limits": [
            {
                "ours": limit.ours,
                "other": limit.other,
                "kind": limit.kind,
                "limit": limit.value,
                "measured": round(measured, 3),
                "met": limit.is_met(measured),
            }
            for limit, _, _, measured in report.rows()
        ],
    }
