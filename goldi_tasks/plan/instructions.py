"""A Dockerfile's instructions and the variables in them, as BuildKit reads them.

The grammar is that of https://docs.docker.com/reference/dockerfile/.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# What a variable holds; None for something that only the builder knows. One without a value is not in it.
Values = Mapping[str, str | None]

_CONTINUED = re.compile(r"(?<!\\)\\[ \t]*$")
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}$]*))?\}|([^\W\d]\w*))")
_ASSIGNMENT = re.compile(r"""(\w+)(?:=("[^"\\]*"|'[^'\\$]*'|[^\s"'\\]*))?(?:\s+|$)""")
_NAMED_BY_VARIABLE = re.compile(r"(?:^|\s)[^\s=]*\$[^\s=]*=")
# The builder gives them values of its own.
_AUTOMATIC = re.compile(r"(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT|STAGE)|PATH")


@dataclass(frozen=True)
class Instruction:
    """An instruction: its word in capitals, what follows that on all its lines as one, and its lines, from 0."""

    word: str
    rest: str
    lines: range


def read(text: str) -> Iterator[Instruction]:
    """The instructions of the Dockerfile `text`; the lines of a here-document come as if they were some, too."""
    start, whole, more = 0, "", False
    rows = text.split("\n")
    for number, line in enumerate(rows):
        if line.lstrip().startswith("#") or (more and not line.strip()):
            continue
        start = start if more else number
        end = _CONTINUED.search(line)
        whole, more = whole + (line[: end.start()] if end else line), bool(end)
        if not more:
            yield from _one(whole, range(start, number + 1))
            whole = ""
    yield from _one(whole, range(start, len(rows)))


def assigned(instruction: Instruction, values: Values, args: Values, outer: Values) -> dict[str, str | None] | None:
    """What an ARG or ENV gives values to where `values` are in force; None if it cannot be said what that is.

    `args` are the build arguments, `outer` the ARGs before the first FROM.
    """
    pairs = _pairs(instruction.rest)
    if pairs is None or (instruction.word == "ENV" and any(value is None for _, value in pairs)):
        # Also `ENV NAME all of this`. Any word may be a name.
        names = dict.fromkeys(re.findall(r"\w+", instruction.rest))
        return None if _NAMED_BY_VARIABLE.search(instruction.rest) else names
    # Of one line's names it is not the same everywhere whether the next value sees them.
    before = {**values, **dict.fromkeys(name for name, _ in pairs)} if len(pairs) > 1 else values
    own = {name: filled(value, before) for name, value in pairs if value is not None}
    given = own if instruction.word == "ENV" else {**outer, **own, **args}
    return {name: given[name] for name, _ in pairs if name in given}


def filled(text: str, values: Values) -> str | None:
    """`text` with its variables replaced; None if one has no value, or one that is not known."""
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        name = found[1] or found[3]
        known = values.get(name, "") if not _AUTOMATIC.fullmatch(name) else None
        given = None if known is None else known or found[2]
        missing = missing or not given
        return given or ""

    done = _VARIABLE.sub(value, text)
    return None if missing or "$" in done else done


def _one(whole: str, lines: range) -> Iterator[Instruction]:
    word, *rest = whole.strip().split(None, 1) or [""]
    if word:
        yield Instruction(word.upper(), rest[0] if rest else "", lines)


def _pairs(rest: str) -> list[tuple[str, str | None]] | None:
    """Names and what is given to them (None for nothing); None if that is not simply written."""
    found, at = list[tuple[str, str | None]](), 0
    while at < len(rest):
        one = _ASSIGNMENT.match(rest, at)
        if one is None:
            return None
        value = one[2]
        found.append((one[1], value[1:-1] if value and value[0] in "\"'" else value))
        at = one.end()
    return found
