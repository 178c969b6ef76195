"""Diagnose what harms caches on this machine, in its engine and in the project, each problem with its remedy.

`probe` collects the answers in parallel, each within a timeout; `fact_checks` and `gc_findings` judge them without
asking anything; `fixes` applies the safe remedies.
"""

from collections.abc import Callable, Iterator

from goldi_tasks.maintenance.doctor import fact_checks, gc_findings
from goldi_tasks.maintenance.doctor.facts import Answers
from goldi_tasks.maintenance.doctor.finding import Finding

_CHECKS: tuple[Callable[[Answers], Iterator[Finding]], ...] = (
    fact_checks.check_storage,
    fact_checks.check_directories,
    fact_checks.check_engine,
    gc_findings.check_gc_policy,
    fact_checks.check_platforms,
    fact_checks.check_registries,
    fact_checks.check_project,
)


def judge(answers: Answers) -> list[Finding]:
    """Return all findings that follow from the answers."""
    return [finding for check in _CHECKS for finding in check(answers)]
