"""Check which platforms images can be built for."""

from collections.abc import Iterator

from goldi_tasks.engine import platforms
from goldi_tasks.maintenance.doctor.facts import Answers
from goldi_tasks.maintenance.doctor.finding import Finding


def findings(answers: Answers) -> Iterator[Finding]:
    """Yield emulation handlers that do not work in containers, and a note if the builder runs one platform only."""
    for handler in answers.handlers:
        if handler.enabled and "F" not in handler.flags:
            what = f"the handler {handler.name} lacks the flag F: containers cannot find its interpreter"
            yield Finding("binfmt-flag", "warning", what, f"{platforms.SET_UP}, which registers another beside it")
    supported = platforms.runs(answers.inspect)
    if len(supported) == 1:
        what = f"the builder runs {supported[0]} only: `--platform` with another needs emulation"
        yield Finding(
            "binfmt", "note", what, f"If you need others: {platforms.SET_UP[0].lower()}{platforms.SET_UP[1:]}"
        )
