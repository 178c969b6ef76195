"""Which platforms images can be built for."""

import re
from collections.abc import Iterator

from goldi_tasks.cache.doctor.answers import Answers
from goldi_tasks.cache.doctor.finding import Finding

_SET_UP = (
    "`docker run --privileged --rm tonistiigi/binfmt --install all`, or your distribution's qemu-user-binfmt package"
)


def findings(answers: Answers) -> Iterator[Finding]:
    """What the builder runs beside its own platform, and handlers that work here and not in a container."""
    for handler in answers.handlers:
        if handler.enabled and "F" not in handler.flags:
            what = f"the handler {handler.name} is registered without the flag F: containers do not find its program"
            yield Finding("binfmt-flag", "warning", what, f"Register it with that flag: {_SET_UP}")
    can = runs(answers.inspect)
    if len(can) == 1:
        what = f"the builder runs {can[0]} only: there is no emulation for `--platform` with others"
        yield Finding("binfmt", "note", what, f"If you need others: {_SET_UP}")


def runs(inspect: str) -> list[str]:
    """The builder's platforms without the variants of a processor: what it has native is one."""
    found = re.search(r"^Platforms:\s+(.*)$", inspect, re.M)
    words = found[1].replace("*", "").replace(",", " ").split() if found else []
    # Newer ones count variants: `linux/amd64 (+3)`.
    return list(dict.fromkeys("/".join(word.split("/")[:2]) for word in words if "/" in word))
