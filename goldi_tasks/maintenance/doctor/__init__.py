"""The doctor: what on this machine, in its engine and in the project caches will suffer from, each with its remedy.

`ask` asks, all at once and each within a time; the modules named after subjects judge the answers and are pure;
`mend` does what is safe.
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
    """Everything that the answers show."""
    return [finding for subject in _SUBJECTS for finding in subject.findings(answers)]
