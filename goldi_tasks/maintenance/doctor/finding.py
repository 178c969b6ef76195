"""Hold the findings of the doctor as values, and report them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from goldi_tasks.errors import Unhealthy
from goldi_tasks.invocation import as_typed
from goldi_tasks.maintenance.clear_report import escape_unprintable

Severity = Literal["error", "warning", "note"]
HEADINGS: dict[Severity, str] = {"error": "errors", "warning": "warnings", "note": "notes"}


@dataclass(frozen=True)
class Fix:
    """What `--fix` does: `make` missing directories, `chmod` one, `remove` other users' files, or write .env (`env`).

    `name` is the name of the cache, "" for all.
    """

    how: Literal["make", "chmod", "remove", "env"]
    name: str = ""


@dataclass(frozen=True)
class Finding:
    """A problem of this machine or project; `fix` is None if no automatic fix is safe."""

    id: str
    severity: Severity
    what: str
    remedy: str = ""
    fix: Fix | None = None


def format_findings(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield lines for people: errors first, each finding with its remedy."""
    for severity, heading in HEADINGS.items():
        selected = [finding for finding in findings if finding.severity == severity]
        if selected:
            yield f"{heading}:"
        for finding in selected:
            yield escape_unprintable(f"  {finding.id}: {as_typed(finding.what)}")
            if finding.remedy:
                yield escape_unprintable(f"    {as_typed(finding.remedy)}{' (--fix does it)' if finding.fix else ''}")
    if not findings:
        yield "nothing wrong"


def as_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return the findings in plain types for scripts, errors first."""
    ordered = sorted(findings, key=lambda finding: list(HEADINGS).index(finding.severity))
    return [
        {
            "id": finding.id,
            "severity": finding.severity,
            "what": as_typed(finding.what),
            "remedy": as_typed(finding.remedy),
            "fixable": finding.fix is not None,
        }
        for finding in ordered
    ]


def failure(findings: Sequence[Finding]) -> Unhealthy | None:
    """Return the error that ends the task, None if all findings are notes."""
    problems = [finding for finding in findings if finding.severity != "note"]
    if not problems:
        return None
    error_count = sum(finding.severity == "error" for finding in problems)
    counts = [_count(error_count, "error"), _count(len(problems) - error_count, "warning")]
    fixable = sum(finding.fix is not None for finding in problems)
    remedy = f"`inv cache.doctor --fix` fixes {fixable} of them" if fixable else "Each has its remedy above"
    return Unhealthy(f"cache.doctor found {' and '.join(filter(None, counts))}", remedy)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}" if number else ""
