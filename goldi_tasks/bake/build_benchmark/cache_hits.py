"""Count in a build's output how many of the needed items were taken from caches."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LINE = re.compile(r"^#(\d+) [\d.]+ (.*)$", re.MULTILINE)
_STEP = re.compile(r"^#(\d+) (\[.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Hits:
    """Items `taken` from a cache, of the `needed` items."""

    taken: int = 0
    needed: int = 0

    def __add__(self, other: "Hits") -> "Hits":
        """Add both counts."""
        return Hits(self.taken + other.taken, self.needed + other.needed)

    @property
    def rate(self) -> float | None:
        """Return the rate, from 0 to 1; None where nothing was needed."""
        return self.taken / self.needed if self.needed else None


def count(output: str, stages: tuple[str, ...]) -> Mapping[str, Hits]:
    """Count wheels, Debian packages and bytecode of the steps of `stages` that ran, in a build's plain `output`."""
    steps = {number: name for number, name in _STEP.findall(output) if name.split()[0][1:] in stages}
    step_lines: dict[str, list[str]] = {number: [] for number in steps}
    for number, line in _LINE.findall(output):
        if number in step_lines:
            step_lines[number].append(line)
    hits = {"wheels": Hits(), "debs": Hits(), "bytecode": Hits()}
    for lines in step_lines.values():
        text = "\n".join(lines)
        hits["wheels"] += _count_uv(text) + _count_pip(text)
        hits["debs"] += _count_apt(text)
        hits["bytecode"] += _count_bytecode(text)
    return hits


def _count_uv(text: str) -> Hits:
    """Count packages of uv; `Prepared` counts those not in its cache, and is missing if all were in it."""
    installed, prepared = (_find_number(rf"^{verb} (\d+) packages? in ", text) for verb in ("Installed", "Prepared"))
    return Hits(installed - prepared, installed)


def _count_pip(text: str) -> Hits:
    cached = len(re.findall(r"^ *Using cached \S+\.whl", text, re.MULTILINE))
    return Hits(cached, cached + len(re.findall(r"^ *Downloading \S+\.whl ", text, re.MULTILINE)))


def _count_apt(text: str) -> Hits:
    """Count packages of apt; each `Get:` line after `Need to get` is one that was downloaded."""
    needed = _find_number(r", (\d+) newly installed", text)
    downloaded = len(re.findall(r"^Get:\d+ ", text.partition("Need to get")[2], re.MULTILINE))
    return Hits(max(0, needed - downloaded), needed)


def _count_bytecode(text: str) -> Hits:
    """Count files in the lines that infrastructure/docker/scripts/bytecode.py prints."""
    lines = re.findall(r"^bytecode: (\d+) files, (\d+) from the cache", text, re.MULTILINE)
    return Hits(sum(int(cached) for _, cached in lines), sum(int(files) for files, _ in lines))


def _find_number(pattern: str, text: str) -> int:
    match = re.search(pattern, text, re.MULTILINE)
    return int(match[1]) if match else 0
