"""What the doctor found, as values, and how it is told."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from goldi_tasks.errors import Unhealthy
from goldi_tasks.invocation import as_typed
from goldi_tasks.maintenance.clear_report import shown

Severity = Literal["error", "warning", "note"]
HEADINGS: dict[Severity, str] = {"error": "errors", "warning": "warnings", "note": "notes"}


@dataclass(frozen=True)
class Mend:
    """What `--fix` does: `make` what is missing, `chmod` a directory, `remove` another user's files, write `env`.

    `name` is the cache that it is about, "" where it is about all.
    """

    how: Literal["make", "chmod", "remove", "env"]
    name: str = ""


@dataclass(frozen=True)
class Finding:
    """Something about this machine or project that caches suffer from; `mend` is None where we cannot safely help."""

    id: str
    severity: Severity
    what: str
    remedy: str = ""
    mend: Mend | None = None


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """For people: the worst first, each with its remedy."""
    for severity, heading in HEADINGS.items():
        chosen = [finding for finding in findings if finding.severity == severity]
        if chosen:
            yield f"{heading}:"
        for finding in chosen:
            yield shown(f"  {finding.id}: {as_typed(finding.what)}")
            if finding.remedy:
                yield shown(f"    {as_typed(finding.remedy)}{' (--fix does it)' if finding.mend else ''}")
    if not findings:
        yield "nothing wrong"


def as_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """The same for scripts."""
    ordered = sorted(findings, key=lambda finding: list(HEADINGS).index(finding.severity))
    return [
        {
            "id": finding.id,
            "severity": finding.severity,
            "what": as_typed(finding.what),
            "remedy": as_typed(finding.remedy),
            "fixable": finding.mend is not None,
        }
        for finding in ordered
    ]


def failure(findings: Sequence[Finding]) -> Unhealthy | None:
    """What ends the task; None if nothing is worse than a note."""
    worse = [finding for finding in findings if finding.severity != "note"]
    if not worse:
        return None
    errors = sum(finding.severity == "error" for finding in worse)
    counted = [_count(errors, "error"), _count(len(worse) - errors, "warning")]
    able = sum(finding.mend is not None for finding in worse)
    remedy = f"`inv cache.doctor --fix` fixes {able} of them" if able else "Each has its remedy above"
    return Unhealthy(f"cache.doctor found {' and '.join(filter(None, counted))}", remedy)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' if number > 1 else ''}" if number else ""
