"""A benchmark's figures: as tables in Markdown, beside the guide's, and as JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from goldi_tasks.bake.build_benchmark.cache_hits import Hits

# What is built, what it is held against, and the guide's expected seconds.
_ROWS = (
    ("first build", "first build, single stage", "180-300"),
    ("nothing changed", "nothing changed, plain bake", "10-30"),
    ("only code changed", "only code changed, plain bake without export", "5-10"),
    ("a dependency added", "a dependency added, without caches", "30-60"),
)
_RATES = (("dependencies", "95"), ("system packages", "100"), ("build tools", "100"), ("bytecode", "90"))


@dataclass(frozen=True)
class Report:
    """Medians of `rounds`, in seconds by name; `added` is the dependency; `listing` is ours and an empty tasks.py's."""

    rounds: int
    seconds: Mapping[str, float]
    hits: Mapping[str, Hits]
    added: str
    listing: tuple[float, float]


def lines(report: Report) -> Iterator[str]:
    """The tables."""
    yield "| build | guide | here | beside | ratio |"
    yield "|---|---|---|---|---|"
    for name, other, guide in _ROWS:
        if name in report.seconds:
            ours, theirs = report.seconds[name], report.seconds.get(other)
            # The name of the other, without what both have in common.
            beside = f"{other.partition(', ')[2]} {theirs:.1f} s" if theirs else ""
            yield f"| {name} | {guide} s | {ours:.1f} s | {beside} | {f'{ours / theirs:.2f}' if theirs else ''} |"
    ours, theirs = report.listing
    yield f"| `goldi --list` | | {ours:.2f} s | `inv --list`, empty tasks.py {theirs:.2f} s | {ours / theirs:.2f} |"
    yield ""
    yield "| taken from caches | guide | here | of |"
    yield "|---|---|---|---|"
    for name, guide in _RATES:
        if (found := report.hits.get(name)) and found.rate is not None:
            yield f"| {name} | {guide} % | {100 * found.rate:.3g} % | {found.needed} |"
    yield ""
    yield f"Medians of {report.rounds}, from one run. Base images were there; a first build finds nothing else."


def as_json(report: Report) -> dict[str, Any]:
    """It in plain types, for scripts."""
    ours, theirs = report.listing
    return {
        "rounds": report.rounds,
        "seconds": {name: round(seconds, 3) for name, seconds in report.seconds.items()},
        "hits": {name: {"taken": it.taken, "needed": it.needed, "rate": it.rate} for name, it in report.hits.items()},
        "added": report.added,
        "listing": {"ours": round(ours, 3), "empty": round(theirs, 3)},
    }
