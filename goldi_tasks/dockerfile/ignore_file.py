"""Which paths a .dockerignore surely keeps out of the build context.

Only plain lines are read: `name`, `a/b`, `*.ext`, each also behind `**/`. Other lines remove nothing here, and where
any line has a `!` nothing is removed: what is counted too much costs a question to the builder, and never an image.
The rules for plain lines are those of github.com/moby/patternmatcher.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_PART = r"(?!\.{1,2}(?:/|$))(?:[\w.@+~,=%: -]|\*(?!\*))+"
_PLAIN = re.compile(rf"(\*\*/)?/?({_PART}(?:/{_PART})*)/?")


@dataclass(frozen=True)
class Line:
    """A plain line of a .dockerignore with its number; what it matches is removed with all that is below it.

    `name` is what it removes wherever it lies, "" where it says more than that.
    """

    regex: str
    number: int
    name: str = ""


def parse(text: str) -> tuple[Line, ...]:
    """Read the plain lines of a .dockerignore; none where one has a `!`."""
    # A comment begins in the first column.
    rows = [(row.strip(" \t\r"), number) for number, row in enumerate(text.split("\n"), 1) if not row.startswith("#")]
    if any("!" in row for row, _ in rows):
        return ()
    matches = ((_PLAIN.fullmatch(row), number) for row, number in rows)
    return tuple(_line(match, number) for match, number in matches if match)


class Removal:
    """Says quickly what `lines` remove, of paths that do not lie below something removed.

    `names` are removed wherever they lie.
    """

    def __init__(self, lines: Iterable[Line]) -> None:
        rows = list(lines)
        anywhere = [line.name for line in rows if line.name]
        self.names = {name for name in anywhere if "*" not in name}
        self._name = _compile(_regex("", name) for name in anywhere if "*" in name)
        self._path = _compile(line.regex for line in rows if not line.name)

    def removes(self, path: str, name: str) -> bool:
        """Whether `path`, whose last part is `name`, is removed."""
        return bool(name in self.names or (self._name and self._name(name)) or (self._path and self._path(path)))


def removing_line(path: str, lines: Iterable[Line]) -> Line | None:
    """Return the line that removes `path`, or a directory above it; None if it is in the context."""
    parts = path.split("/")
    above = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    return next((line for line in lines if any(re.fullmatch(line.regex, one, re.DOTALL) for one in above)), None)


def _line(match: re.Match[str], number: int) -> Line:
    anywhere, path = match[1] or "", match[2].rstrip("/")
    return Line(_regex(anywhere, path), number, path if anywhere and "/" not in path else "")


def _compile(regexes: Iterable[str]) -> Callable[[str], object] | None:
    whole = "|".join(regexes)
    return re.compile(whole, re.DOTALL).fullmatch if whole else None


def _regex(anywhere: str, path: str) -> str:
    return ("(?:.*/)?" if anywhere else "") + "".join("[^/]*" if one == "*" else re.escape(one) for one in path)
