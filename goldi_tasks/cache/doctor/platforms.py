"""Which platforms images can be built for."""

from collections.abc import Iterator

from goldi_tasks.cache.doctor.answers import Answers
from goldi_tasks.cache.doctor.finding import Finding
from goldi_tasks.plan import platforms as plan


def findings(answers: Answers) -> Iterator[Finding]:
    """What the builder runs beside its own platform, and handlers that work here and not in a container."""
    for handler in answers.handlers:
        if handler.enabled and "F" not in handler.flags:
            what = f"the handler {handler.name} is registered without the flag F: containers do not find its program"
            yield Finding("binfmt-flag", "warning", what, f"{plan.SET_UP}, which registers another beside it")
    can = plan.runs(answers.inspect)
    if len(can) == 1:
        what = f"the builder runs {can[0]} only: there is no emulation for `--platform` with others"
        yield Finding("binfmt", "note", what, f"If you need others: {plan.SET_UP[0].lower()}{plan.SET_UP[1:]}")
