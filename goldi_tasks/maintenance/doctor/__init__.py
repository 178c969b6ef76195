"""Diagnose what harms caches on this machine, in its engine and in the project, each problem with its remedy.

`probe` collects the answers in parallel, each within a timeout; the pure modules `*_findings` judge them, and `fixes`
applies the safe remedies.
"""

from goldi_tasks.maintenance.doctor import (
    directory_findings,
    engine_findings,
    gc_findings,
    platform_findings,
    project_findings,
    registry_findings,
    storage_findings,
)
from goldi_tasks.maintenance.doctor.facts import Answers
from goldi_tasks.maintenance.doctor.finding import Finding

_SUBJECTS = (
    storage_findings,
    directory_findings,
    engine_findings,
    gc_findings,
    platform_findings,
    registry_findings,
    project_findings,
)


def judge(answers: Answers) -> list[Finding]:
    """Return all findings that follow from the answers."""
    return [finding for subject in _SUBJECTS for finding in subject.findings(answers)]
