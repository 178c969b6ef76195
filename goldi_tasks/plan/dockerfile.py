"""Which images from elsewhere a Dockerfile builds on, its stages, and what these read of the build context."""

import re
from collections.abc import Collection, Mapping

from goldi_tasks.plan import instructions, reads
from goldi_tasks.plan import stages as plan
from goldi_tasks.plan.instructions import Instruction, Values

_ELSEWHERE = re.compile(r"(?:--from=|[,=]from=)([^\s,]+)")
_REMOTE = re.compile(r"""(?:^|[\s"'])(?:\w+://|git@|github\.com/|\S+\.git\b)""")
# Another grammar, or more that is read: parser directives, strange blanks, SBOMs of the context, dates from it.
_ODD = re.compile(r"^\W*#\s*(?:syntax|escape)\s*=|[^\S\n\t ]|BUILDKIT_|SOURCE_DATE_EPOCH", re.IGNORECASE | re.MULTILINE)
_COPIES = {"COPY", "ADD", "RUN"}
# Those that take nothing from anywhere.
_PLAIN = {"WORKDIR", "USER", "LABEL", "EXPOSE", "CMD", "ENTRYPOINT", "HEALTHCHECK", "SHELL", "STOPSIGNAL", "VOLUME"}
_KNOWN = _COPIES | _PLAIN | {"ARG", "ENV", "MAINTAINER"}


def base_images(text: str, args: Mapping[str, str]) -> set[str] | None:
    """The images that `text` names, with build arguments `args` filled in.

    None if that cannot be said: a reference with a variable that has no value, or content from an address.
    """
    file = plan.parse(text, args)
    if file is None or any(
        _is_remote(one, values) for _, one, values in plan.walk(file, args, ()) if one.word == "ADD"
    ):
        return None
    before: set[str] = set()
    named: set[str] = set(re.findall(r"\A(?:#.*\n)*?#\s*syntax\s*=\s*(\S+)", text, re.IGNORECASE))
    for stage in file.stages:
        named |= {stage.base} - before
        before.add(stage.name)
        written = (name for one in stage.body if one.word in _COPIES for name in _ELSEWHERE.findall(one.rest))
        others = {instructions.filled(name, file.outer) for name in written}
        if None in others:
            return None
        named |= {name for name in others if name and name.lower() not in before and not name.isdigit()}
    return named - {"scratch"}


def stages(text: str) -> list[str]:
    """The names of the stages of the Dockerfile `text`."""
    return plan.names(text)


def sources(text: str, stage: str, args: Mapping[str, str], env: Collection[str] = ()) -> set[str] | None:
    """The paths of the build context that `stage` ("" for the last) and all that it builds on read.

    They are relative, may hold wildcards, and stand for all below them; "." is the whole context. `args` are the
    build arguments, `env` names the variables that the base images set. None if it cannot be said for sure.
    """
    file = plan.parse(text, args)
    if file is None or _ODD.search(text) or any(map(_ODD.search, args)) or _is_odd(file):
        return None
    return likely_sources(text, stage, args, env)


def likely_sources(text: str, stage: str, args: Mapping[str, str], env: Collection[str] = ()) -> set[str] | None:
    """The same as `sources`, also where another frontend (`# syntax=`) may read more: not to be relied on."""
    file = plan.parse(text, args)
    reached = None if file is None else _reached(file, stage, _takes(file, args, env))
    return None if reached is None else set[str]().union(*reached.values())


def emulates(text: str, stage: str, args: Mapping[str, str]) -> bool | None:
    """Whether `stage` ("" for the last) or what it builds on runs anything on the platform that is built for.

    None if it cannot be said for sure.
    """
    file = plan.parse(text, args)
    reached = None if file is None or _is_odd(file) else _reached(file, stage, _takes(file, args, ()))
    if file is None or reached is None:
        return None
    on_target = (file.stages[number] for number in reached if not file.stages[number].native)
    return any(one.word == "RUN" for found in on_target for one in found.body)


def _reached(file: plan.File, stage: str, takes: list[tuple[set[str], set[int]] | None]) -> dict[int, set[str]] | None:
    """The numbers of `stage` and all that it builds on, with the paths that each takes; None if that cannot be said."""
    found = dict[int, set[str]]()
    todo = {_number(file, stage) if stage else len(file.stages) - 1}
    while todo := todo - found.keys():
        number = todo.pop()
        taken = None if number is None else takes[number]
        if number is None or taken is None:
            return None
        found[number] = taken[0]
        todo |= taken[1]
    return found


def _takes(file: plan.File, args: Values, env: Collection[str]) -> list[tuple[set[str], set[int]] | None]:
    """By stage the paths it takes itself, and the stages it builds on; None if that cannot be said."""
    paths = [set[str]() for _ in file.stages]
    needs = [set[int]() if stage.below is None else {stage.below} for stage in file.stages]
    unsure = set[int]()
    for number, one, values in plan.walk(file, args, env):
        if one.word in _COPIES:
            taken = reads.taken(one, values) if values is not None else None
            found, origins = taken or (set[str](), set[str]())
            stages = {_number(file, origin) for origin in origins}
            if taken is None or any(origin.isdigit() and _number(file, origin) is None for origin in origins):
                unsure.add(number)
            paths[number] |= found
            needs[number] |= {stage for stage in stages if stage is not None}
    return [None if number in unsure else both for number, both in enumerate(zip(paths, needs, strict=True))]


def _number(file: plan.File, stage: str) -> int | None:
    """The number of the stage that is called or has the number `stage`; None if there is none."""
    if stage.isdigit():
        return int(stage) if int(stage) < len(file.stages) else None
    return plan.index(file.stages, stage)


def _is_odd(file: plan.File) -> bool:
    """Whether the builder may understand something else by it than we do."""
    names = [stage.name for stage in file.stages if stage.name]
    body = [one for stage in file.stages for one in stage.body]
    return bool(
        file.odd
        or not file.stages
        or len(set(names)) < len(names)
        or "scratch" in names
        or any(reads.QUOTED.search(stage.base) for stage in file.stages)
        or any(one.word not in _KNOWN or (one.word in _COPIES and "<<" in one.rest) for one in body)
    )


def _is_remote(add: Instruction, values: Values | None) -> bool:
    """Whether an ADD may take something from an address."""
    for word in reads.words(add.rest):
        filled = instructions.filled(word, values) if values is not None else None
        if _REMOTE.search(filled or "") or (filled is None and word.startswith("$")):
            return True
    return bool(_REMOTE.search(add.rest))
