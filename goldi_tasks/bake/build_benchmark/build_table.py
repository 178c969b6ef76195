"""Format the figures of the build benchmark beside the guide's: as tables in Markdown, and as JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from goldi_tasks.bake.build_benchmark.cache_hits import Hits

# Our build, the build that it is compared with, and the guide's expected seconds.
_COMPARISONS = (
    ("first build", "first build, single stage", "180-300"),
    ("nothing changed", "nothing changed, plain bake", "10-30"),
    ("only code changed", "only code changed, plain bake without export", "5-10"),
    ("a dependency added", "a dependency added, without caches", "30-60"),
)
_GUIDE_HIT_RATES = (("dependencies", "95"), ("system packages", "100"), ("build tools", "100"), ("bytecode", "90"))


@dataclass(frozen=True)
class BuildTimes:
    """Medians of `rounds`, in seconds by name.

    `dependency` is the package that is added, `listing` the seconds of `goldi --list` and `inv --list`.
    """

    rounds: int
    seconds: Mapping[str, float]
    hits: Mapping[str, Hits]
    dependency: str
    listing: tuple[float, float]


def lines(report: BuildTimes) -> Iterator[str]:
    """Yield the lines of the tables."""
    yield "| build | guide | here | beside | ratio |"
    yield "|---|---|---|---|---|"
    for name, other, guide in _COMPARISONS:
        if name in report.seconds:
            ours, theirs = report.seconds[name], report.seconds.get(other)
            # The name of the other build, without the part that both have in common.
            beside = f"{other.partition(', ')[2]} {theirs:.1f} s" if theirs else ""
            yield f"| {name} | {guide} s | {ours:.1f} s | {beside} | {f'{ours / theirs:.2f}' if theirs else ''} |"
    ours, theirs = report.listing
    yield f"| `goldi --list` | | {ours:.2f} s | `inv --list`, empty tasks.py {theirs:.2f} s | {ours / theirs:.2f} |"
    yield ""
    yield "| taken from caches | guide | here | of |"
    yield "|---|---|---|---|"
    for name, guide in _GUIDE_HIT_RATES:
        if (hits := report.hits.get(name)) and hits.rate is not None:
            yield f"| {name} | {guide} % | {100 * hits.rate:.3g} % | {hits.needed} |"
    yield ""
    yield f"Medians of {report.rounds}, from one run. A first build starts with the base images and empty caches."


def as_json(report: BuildTimes) -> dict[str, Any]:
    """Return the report as JSON types."""
    ours, theirs = report.listing
    return {
        "rounds": report.rounds,
        "seconds": {name: round(seconds, 3) for name, seconds in report.seconds.items()},
        "hits": {
            name: {"taken": hits.taken, "needed": hits.needed, "rate": hits.rate} for name, hits in report.hits.items()
        },
        "added": report.dependency,
        "listing": {"ours": round(ours, 3), "empty": round(theirs, 3)},
    }
