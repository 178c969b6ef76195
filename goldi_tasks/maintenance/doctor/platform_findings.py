"""Which platforms images can be built for."""

from collections.abc import Iterator

from goldi_tasks.engine import platforms
from goldi_tasks.maintenance.doctor.facts import Answers
from goldi_tasks.maintenance.doctor.finding import Finding


def findings(answers: Answers) -> Iterator[Finding]:
    """What the builder runs beside its own platform, and handlers that work here and not in a container."""
    for handler in answers.handlers:
        if handler.enabled and "F" not in handler.flags:
            what = f"the handler {handler.name} lacks the flag F: containers cannot find its interpreter"
            yield Finding("binfmt-flag", "warning", what, f"{platforms.SET_UP}, which registers another beside it")
    can = platforms.runs(answers.inspect)
    if len(can) == 1:
        what = f"the builder runs {can[0]} only: `--platform` with another needs emulation"
        yield Finding(
            "binfmt", "note", what, f"If you need others: {platforms.SET_UP[0].lower()}{platforms.SET_UP[1:]}"
        )
