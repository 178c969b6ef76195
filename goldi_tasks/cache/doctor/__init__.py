"""The doctor: what on this machine, in its engine and in the project caches will suffer from, each with its remedy.

`ask` asks, all at once and each within a time; the modules named after subjects judge the answers and are pure;
`mend` does what is safe.
"""

from goldi_tasks.cache.doctor import engine, folders, platforms, policy, project, registry, storage
from goldi_tasks.cache.doctor.answers import Answers
from goldi_tasks.cache.doctor.finding import Finding

_SUBJECTS = (storage, folders, engine, policy, platforms, registry, project)


def judge(answers: Answers) -> list[Finding]:
    """Everything that the answers show."""
    return [finding for subject in _SUBJECTS for finding in subject.findings(answers)]
