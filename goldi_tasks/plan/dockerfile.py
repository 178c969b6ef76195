"""Which images from elsewhere a Dockerfile builds on, and its stages.

The grammar is that of https://docs.docker.com/reference/dockerfile/; only what names an image is read.
"""

import re
from collections.abc import Iterator, Mapping

_INSTRUCTION = re.compile(r"^\s*(FROM|ARG|COPY|ADD|RUN)\s+(.*)$", re.IGNORECASE | re.DOTALL)
_FROM = re.compile(r"^(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")
_ELSEWHERE = re.compile(r"(?:--from=|[,=]from=)([^\s,]+)")
_REMOTE = re.compile(r"(?:^|\s)(?:https?://|git@|\S+\.git\b)")


def base_images(text: str, args: Mapping[str, str]) -> set[str] | None:
    """The images that `text` names, with build arguments `args` filled in.

    None if that cannot be said: a reference with a variable that has no value, or content from an address.
    """
    values: dict[str, str] = {}
    stages: set[str] = set()
    named: set[str] = set(re.findall(r"\A(?:#.*\n)*?#\s*syntax\s*=\s*(\S+)", text, re.IGNORECASE))
    for word, rest in _instructions(text):
        if word == "ARG" and not stages:
            name, _, default = rest.partition("=")
            values[name] = args.get(name, default.strip("\"'"))
        elif word == "FROM":
            found = _FROM.match(rest)
            image, stage = (_filled(found[1], values), found[2]) if found else (None, "")
            if image is None:
                return None
            named |= {image} - stages
            stages |= {stage.lower() if stage else str(len(stages)), str(len(stages))}
        elif word == "ADD" and _REMOTE.search(rest):
            return None
        elif word in ("COPY", "RUN", "ADD"):
            others = {_filled(name, values) for name in _ELSEWHERE.findall(rest)}
            if None in others:
                return None
            named |= {name for name in others if name and name.lower() not in stages and not name.isdigit()}
    return named - {"scratch"}


def stages(text: str) -> list[str]:
    """The names of the stages of the Dockerfile `text`."""
    found = (_FROM.match(rest) for word, rest in _instructions(text) if word == "FROM")
    return [one[2] for one in found if one and one[2]]


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """The instructions that may name an image, with what follows them on all their lines."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\[ \t]*\n", " ", lines).splitlines():
        if found := _INSTRUCTION.match(line):
            yield found[1].upper(), found[2].strip()


def _filled(reference: str, values: Mapping[str, str]) -> str | None:
    """`reference` with its variables replaced; None if one has no value."""
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        given = values.get(found[1] or found[3]) or found[2]
        missing = missing or not given
        return given or ""

    text = _VARIABLE.sub(value, reference)
    return None if missing or "$" in text else text
