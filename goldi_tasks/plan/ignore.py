"""Which paths a .dockerignore surely keeps out of the build context.

Only plain lines are read: `name`, `a/b`, `*.ext`, each also behind `**/`. Other lines remove nothing here, and where
any line has a `!` nothing is removed: what is counted too much costs a question to the builder, and never an image.
The rules for plain lines are those of github.com/moby/patternmatcher.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_PART = r"(?!\.{1,2}(?:/|$))(?:[\w.@+~,=%: -]|\*(?!\*))+"
_PLAIN = re.compile(rf"(\*\*/)?/?({_PART}(?:/{_PART})*)/?")


@dataclass(frozen=True)
class Line:
    """A plain line of a .dockerignore with its number; what it matches is removed with all that is below it."""

    regex: str
    number: int


def parse(text: str) -> tuple[Line, ...]:
    """Read the plain lines of a .dockerignore; none where one has a `!`."""
    # A comment begins in the first column.
    rows = [(row.strip(" \t\r"), number) for number, row in enumerate(text.split("\n"), 1) if not row.startswith("#")]
    if any("!" in row for row, _ in rows):
        return ()
    matches = ((_PLAIN.fullmatch(row), number) for row, number in rows)
    return tuple(Line(_regex(match[1] or "", match[2]), number) for match, number in matches if match)


def compile_lines(lines: Iterable[Line]) -> re.Pattern[str]:
    """Make one pattern that fully matches the paths that `lines` remove, but not what is below them."""
    return re.compile("|".join(line.regex for line in lines) or "(?!)", re.DOTALL)


def removing_line(path: str, lines: Iterable[Line]) -> Line | None:
    """Return the line that removes `path`, or a directory above it; None if it is in the context."""
    parts = path.split("/")
    above = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    return next((line for line in lines if any(re.fullmatch(line.regex, one, re.DOTALL) for one in above)), None)


def _regex(anywhere: str, path: str) -> str:
    return ("(?:.*/)?" if anywhere else "") + "".join("[^/]*" if one == "*" else re.escape(one) for one in path)
