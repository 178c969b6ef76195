"""Some paths of a build context: those that instructions name, with all below them.

Wildcards are those of Go's filepath.Match, as far as plan/reads.py lets them through: none of them matches a slash.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Selection:
    """`within` matches the paths and all below them, `at` the paths and the directories above them."""

    within: re.Pattern[str]
    at: re.Pattern[str]

    def takes(self, path: str, directory: bool) -> bool:
        """Whether `path` is among them; a directory above one of them is, too."""
        return bool(self.within.fullmatch(path) or (directory and self.at.fullmatch(path)))

    def hinges_on(self, path: str) -> bool:
        """Whether it depends on `path` which paths they are, if it is a link."""
        return bool(self.at.fullmatch(path))


def parse(paths: Collection[str]) -> Selection:
    """The selection of `paths`, which are relative; "." is everything."""
    if "." in paths:
        return Selection(re.compile(".*", re.DOTALL), re.compile("(?!)"))
    parts = [[_regex(part) for part in path.split("/")] for path in sorted(paths)]
    within = "|".join("/".join(path) + "(?:/.*)?" for path in parts)
    at = "|".join("/".join(path[:depth]) for path in parts for depth in range(1, len(path) + 1))
    return Selection(re.compile(within, re.DOTALL), re.compile(at, re.DOTALL))


def _regex(part: str) -> str:
    pieces = re.findall(r"\[[^]]*]|.", part, re.DOTALL)
    wild = {"*": "[^/]*", "?": "[^/]"}
    return "".join(piece if len(piece) > 1 else wild.get(piece, re.escape(piece)) for piece in pieces)
