"""Format the failed steps of a build: their last output, and the excerpt of the Dockerfile."""

import re
from collections.abc import Iterator, Sequence

from goldi_tasks.bake.progress.step import Step
from goldi_tasks.dockerfile.parse import instructions

_SEPARATOR = "-" * 20
_EXCERPT_TITLE = re.compile(r"^\S.*:\d+$")
_FROM_AS = re.compile(r"FROM\s.*\sAS\s+(\S+)$", re.IGNORECASE)


def report(failures: Sequence[Step], error_lines: Sequence[str], dockerfile: str) -> Iterator[str]:
    """Yield the last output of the steps that failed, then `error_lines`, which buildx printed itself.

    buildx ends with an excerpt of the Dockerfile. Where it printed none, the instruction is searched in the text of
    `dockerfile`.
    """
    for step in failures:
        yield "------"
        yield f" > {step.title}:"
        yield from step.tail
        yield "------"
    if failures and not any(_EXCERPT_TITLE.match(line) for line in error_lines):
        for step in failures:
            yield from _excerpt(dockerfile, locate(dockerfile, step.stage.split()[-1], step.instruction))
    yield from error_lines


def locate(dockerfile: str, stage: str, instruction: str) -> range | None:
    """Return the lines (from 0) of `instruction` in `stage`, else of the first match: buildx names no single stage."""
    current_stage, stage_count, matches = "", 0, list[tuple[bool, range]]()
    for candidate in instructions(dockerfile):
        # The builder replaces several blanks by one.
        text = " ".join(f"{candidate.word} {candidate.rest}".split())
        if text.upper().startswith("FROM "):
            name = _FROM_AS.match(text)
            current_stage, stage_count = name[1] if name else f"stage-{stage_count}", stage_count + 1
        # The name of a step with a here-document is the first line, followed by the document's content.
        if text == instruction or ("<<" in text and instruction.startswith(text)):
            matches.append((current_stage != stage, candidate.lines))
    return min(matches, key=lambda match: match[0])[1] if matches else None


def _excerpt(dockerfile: str, failed_lines: range | None) -> Iterator[str]:
    if failed_lines is None:
        return
    lines = dockerfile.split("\n")
    yield f"Dockerfile:{failed_lines.start + 1}"
    yield _SEPARATOR
    for number in range(max(0, failed_lines.start - 1), min(len(lines), failed_lines.stop + 1)):
        yield f"{number + 1:4} | {'>>>' if number in failed_lines else '   '} {lines[number]}"
    yield _SEPARATOR
