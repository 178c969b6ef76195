"""A benchmark's figures beside what they may be: as a table in Markdown, and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

# How ours is held against the other: seconds more than it, times as long as it, times as fast as it.
Kind = Literal["more", "times", "faster"]


@dataclass(frozen=True)
class Limit:
    """A row: what is measured, the other that stands beside it, and how far ours may be from that."""

    title: str
    ours: str
    other: str
    beside: str
    kind: Kind
    value: float

    def measure(self, ours: float, other: float) -> float:
        """How far it is, in the terms of the limit."""
        if self.kind == "more":
            return ours - other
        return ours / other if self.kind == "times" else other / ours

    def met(self, measured: float) -> bool:
        """Whether that is within the limit."""
        return measured >= self.value if self.kind == "faster" else measured <= self.value

    def say(self, value: float) -> str:
        """A distance in words."""
        return f"{value:+.2f} s" if self.kind == "more" else f"{value:.2f} times{' as fast' * (self.kind == 'faster')}"


@dataclass(frozen=True)
class Report:
    """Medians of `rounds`, in seconds by name, on a machine with so many `cores`; `note` is to be known of them."""

    rounds: int
    cores: int
    seconds: Mapping[str, float]
    limits: Sequence[Limit]
    what: str = "check"
    note: str = ""

    def rows(self) -> Iterator[tuple[Limit, float, float, float]]:
        """For each limit that was measured: ours, the other, how far they are apart."""
        for limit in self.limits:
            if limit.ours in self.seconds and limit.other in self.seconds:
                ours, other = self.seconds[limit.ours], self.seconds[limit.other]
                yield limit, ours, other, limit.measure(ours, other)


def lines(report: Report) -> Iterator[str]:
    """The table."""
    yield f"| {report.what} | here | beside | limit | measured |"
    yield "|---|---|---|---|---|"
    for limit, ours, other, measured in report.rows():
        told = f"{limit.say(measured)}{'' if limit.met(measured) else ', **missed**'}"
        yield f"| {limit.title} | {ours:.2f} s | {limit.beside} {other:.2f} s | {limit.say(limit.value)} | {told} |"
    yield ""
    yield f"Medians of {report.rounds}, from one run, on {report.cores} cores. {report.note}".rstrip()


def as_json(report: Report) -> dict[str, Any]:
    """It in plain types, for scripts."""
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
                "met": limit.met(measured),
            }
            for limit, _, _, measured in report.rows()
        ],
    }
