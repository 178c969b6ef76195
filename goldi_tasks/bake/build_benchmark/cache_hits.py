"""What a build's output says of its caches: items taken from one, of the items that were needed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LINE = re.compile(r"^#(\d+) [\d.]+ (.*)$", re.MULTILINE)
_STEP = re.compile(r"^#(\d+) (\[.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Hits:
    """`taken` from a cache, of the `needed`."""

    taken: int = 0
    needed: int = 0

    def __add__(self, other: "Hits") -> "Hits":
        """Both together."""
        return Hits(self.taken + other.taken, self.needed + other.needed)

    @property
    def rate(self) -> float | None:
        """From 0 to 1; None where nothing was needed."""
        return self.taken / self.needed if self.needed else None


def count(output: str, stages: tuple[str, ...]) -> Mapping[str, Hits]:
    """Wheels, Debian packages and bytecode of the steps of `stages` that ran, from the plain `output` of a build."""
    steps = {number: name for number, name in _STEP.findall(output) if name.split()[0][1:] in stages}
    said: dict[str, list[str]] = {number: [] for number in steps}
    for number, line in _LINE.findall(output):
        if number in said:
            said[number].append(line)
    found = {"wheels": Hits(), "debs": Hits(), "bytecode": Hits()}
    for lines in said.values():
        text = "\n".join(lines)
        found["wheels"] += _uv(text) + _pip(text)
        found["debs"] += _apt(text)
        found["bytecode"] += _bytecode(text)
    return found


def _uv(text: str) -> Hits:
    """`Prepared` counts what was not in uv's cache; the line is not there if all of it was."""
    installed, prepared = (_number(rf"^{verb} (\d+) packages? in ", text) for verb in ("Installed", "Prepared"))
    return Hits(installed - prepared, installed)


def _pip(text: str) -> Hits:
    cached = len(re.findall(r"^ *Using cached \S+\.whl", text, re.MULTILINE))
    return Hits(cached, cached + len(re.findall(r"^ *Downloading \S+\.whl ", text, re.MULTILINE)))


def _apt(text: str) -> Hits:
    """Of `N newly installed`, those that a `Get:` line names after `Need to get` were fetched."""
    needed = _number(r", (\d+) newly installed", text)
    fetched = len(re.findall(r"^Get:\d+ ", text.partition("Need to get")[2], re.MULTILINE))
    return Hits(max(0, needed - fetched), needed)


def _bytecode(text: str) -> Hits:
    """As infrastructure/docker/scripts/bytecode.py says it."""
    lines = re.findall(r"^bytecode: (\d+) files, (\d+) from the cache", text, re.MULTILINE)
    return Hits(sum(int(cached) for _, cached in lines), sum(int(files) for files, _ in lines))


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text, re.MULTILINE)
    return int(found[1]) if found else 0
