"""The stages of a Dockerfile, how they build on each other, and the variables in force at each instruction."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from goldi_tasks.plan import instructions
from goldi_tasks.plan.instructions import Instruction, Values

_NATIVE = re.compile(r"^--platform=\$(?:\{BUILDPLATFORM\}|BUILDPLATFORM)(?:\s|$)")
_FROM = re.compile(r"^(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?$", re.IGNORECASE)


@dataclass(frozen=True)
class Stage:
    """A stage: its name in small letters ("" for none), what it begins with, its instructions.

    `below` is the number of the stage it begins with, None for an image. `native` is whether its steps run on the
    platform that builds, whatever is built for.
    """

    name: str
    base: str
    below: int | None
    body: list[Instruction] = field(default_factory=list)
    native: bool = False


@dataclass(frozen=True)
class File:
    """A Dockerfile: what is given before the first FROM, the other instructions there, and the stages."""

    outer: dict[str, str | None]
    odd: list[Instruction]
    stages: list[Stage]


def parse(text: str, args: Values) -> File | None:
    """The Dockerfile `text` with the build arguments `args`; None if what a stage begins with cannot be said."""
    file = File({}, [], [])
    for one in instructions.read(text):
        if one.word == "FROM":
            found = _FROM.match(one.rest)
            base = instructions.filled(found[1], file.outer) if found else None
            if found is None or base is None:
                return None
            below = index(file.stages, base)
            native = file.stages[below].native if below is not None else bool(_NATIVE.match(one.rest))
            file.stages.append(Stage((found[2] or "").lower(), base, below, native=native))
        elif file.stages:
            file.stages[-1].body.append(one)
        elif one.word == "ARG":
            given = instructions.assigned(one, file.outer, args, {})
            if given is None:
                return None
            file.outer.update(given)
        else:
            file.odd.append(one)
    return file


def names(text: str) -> list[str]:
    """The names of the stages of the Dockerfile `text`, as they are written."""
    found = (_FROM.match(one.rest) for one in instructions.read(text) if one.word == "FROM")
    return [one[2] for one in found if one and one[2]]


def index(stages: list[Stage], name: str) -> int | None:
    """The number of the stage that is called `name`, None if none is."""
    return next((number for number, stage in enumerate(stages) if stage.name == name.lower() != ""), None)


def walk(file: File, args: Values, env: Collection[str]) -> Iterator[tuple[int, Instruction, Values | None]]:
    """The instructions of all stages with the stage's number and the variables in force there.

    These are None if nothing can be said of them. `env` names those that the base images set.
    """
    ends: list[dict[str, str | None] | None] = []
    for number, stage in enumerate(file.stages):
        values = dict.fromkeys(env) if stage.below is None else ends[stage.below]
        for one in stage.body:
            if one.word in ("ARG", "ENV"):
                values = _with(values, one, args, file)
            yield number, one, values
        ends.append(values)


def _with(values: Values | None, one: Instruction, args: Values, file: File) -> dict[str, str | None] | None:
    """The variables after an ARG or ENV.

    Builders disagree on which of two values wins, so then it is not known.
    """
    given = instructions.assigned(one, values, args, file.outer) if values is not None else None
    if values is None or given is None:
        return None
    return {**values, **{name: value if values.get(name, value) == value else None for name, value in given.items()}}
