"""What is said of a step that failed: its last output, and where in the Dockerfile it stands."""

import re
from collections.abc import Iterator, Sequence

from goldi_tasks.bake.progress.step import Step
from goldi_tasks.dockerfile.parse import instructions

_RULE = "-" * 20
_PLACE = re.compile(r"^\S.*:\d+$")
_STAGE = re.compile(r"FROM\s.*\sAS\s+(\S+)$", re.IGNORECASE)


def report(failures: Sequence[Step], said: Sequence[str], dockerfile: str) -> Iterator[str]:
    """The last output of the steps that failed, then what buildx `said` itself.

    buildx ends with the place in the Dockerfile; if this one did not, the instruction is looked for in the
    text of `dockerfile`.
    """
    for step in failures:
        yield "------"
        yield f" > {step.title}:"
        yield from step.tail
        yield "------"
    if failures and not any(_PLACE.match(line) for line in said):
        for step in failures:
            yield from _excerpt(dockerfile, locate(dockerfile, step.stage.split()[-1], step.instruction))
    yield from said


def locate(dockerfile: str, stage: str, instruction: str) -> range | None:
    """The lines, from 0, of `instruction`: in `stage`, or where it is first (buildx does not name an only stage)."""
    here, count, found = "", 0, list[tuple[bool, range]]()
    for one in instructions(dockerfile):
        # The builder makes blanks single.
        text = " ".join(f"{one.word} {one.rest}".split())
        if text.upper().startswith("FROM "):
            named = _STAGE.match(text)
            here, count = named[1] if named else f"stage-{count}", count + 1
        # A here-document's name has the first line only, and then its content.
        if text == instruction or ("<<" in text and instruction.startswith(text)):
            found.append((here != stage, one.lines))
    return min(found, key=lambda it: it[0])[1] if found else None


def _excerpt(dockerfile: str, where: range | None) -> Iterator[str]:
    if where is None:
        return
    lines = dockerfile.split("\n")
    yield f"Dockerfile:{where.start + 1}"
    yield _RULE
    for number in range(max(0, where.start - 1), min(len(lines), where.stop + 1)):
        yield f"{number + 1:4} | {'>>>' if number in where else '   '} {lines[number]}"
    yield _RULE
