"""What a campaign tells: a line for each round, the failures in full, and a table."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from tests.campaign.schedule import KILLS


@dataclass
class Result:
    """What came of a round: `moments` in milliseconds since the operation began, `hits` how often the fault met it."""

    number: int
    operation: str
    fault: str
    moments: list[int]
    hits: int = 0
    code: int = 0
    seconds: float = 0.0
    done: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """How often something was killed."""
        return self.hits if self.fault in KILLS else 0


def line(result: Result) -> str:
    """A round in a line."""
    end = "FAILED" if result.problems else "ok" if result.hits else "ok, ended before"
    at = f"at {','.join(map(str, result.moments))} ms, met {result.hits}"
    what = f"{result.operation:<8} {result.fault:<12} {at:<32} code {result.code:4d}"
    return f"round {result.number:4d}  {what}  {result.seconds:5.1f} s  {end}"


def failure(result: Result, seed: int, among: Sequence[str], kept: str, most: int = 1) -> Iterator[str]:
    """All that is known of a failure, and how to have it again; round numbers count `among` the operations."""
    yield f"FAILED: seed {seed}, round {result.number}: {result.fault} at {result.moments} ms of {result.operation}"
    yield from (f"  {what}" for what in result.done)
    yield from (f"  - {problem}" for problem in result.problems)
    argv = ("python", "-m", "tests.campaign", "--only", ",".join(among), "--seed", str(seed))
    yield f"  again: {shlex.join(argv)} --most {most} --round {result.number}"
    yield f"  its directories: {kept}"


def rows(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Rounds, good ones, failures and the median of their seconds, by operation and fault."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.operation, result.fault), []).append(result)
    return [
        {
            "operation": operation,
            "fault": fault,
            "rounds": len(group),
            "hit": sum(one.hits for one in group),
            "ok": sum(not one.problems for one in group),
            "failures": sum(bool(one.problems) for one in group),
            "median_seconds": round(median(one.seconds for one in group), 1),
        }
        for (operation, fault), group in sorted(groups.items())
    ]


def table(results: list[Result], seed: int) -> Iterator[str]:
    """The summary."""
    yield f"{'operation':<10}{'fault':<14}{'rounds':>7}{'hit':>5}{'ok':>5}{'failed':>8}{'median':>9}"
    for row in rows(results):
        numbers = f"{row['rounds']:7d}{row['hit']:5d}{row['ok']:5d}{row['failures']:8d}{row['median_seconds']:7.1f} s"
        yield f"{row['operation']:<10}{row['fault']:<14}{numbers}"
    bad, kills = sum(bool(one.problems) for one in results), sum(one.kills for one in results)
    yield f"seed {seed}: {len(results)} rounds, {kills} kills, {bad} failures"


def as_json(results: list[Result], seed: int) -> dict[str, Any]:
    """It for scripts."""
    kills = sum(one.kills for one in results)
    return {"seed": seed, "kills": kills, "summary": rows(results), "rounds": [asdict(one) for one in results]}
