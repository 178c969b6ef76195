"""Find the paths that a .dockerignore certainly excludes from the build context.

Only plain patterns are read: `name`, `a/b`, `*.ext`, each also behind `**/`. Other patterns exclude nothing here, and a
`!` in any line turns all of them off: a path too many in the context costs a call of the builder, and never an outdated
image. The rules for plain patterns are those of github.com/moby/patternmatcher.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_PART = r"(?!\.{1,2}(?:/|$))(?:[\w.@+~,=%: -]|\*(?!\*))+"
_PLAIN = re.compile(rf"(\*\*/)?/?({_PART}(?:/{_PART})*)/?")


@dataclass(frozen=True)
class IgnorePattern:
    """A plain pattern of a .dockerignore and the number of its line; it excludes a directory with its contents.

    `name` is the file name or `*` pattern that it excludes in every directory, "" if it names a path.
    """

    regex: str
    number: int
    name: str = ""


def parse(text: str) -> tuple[IgnorePattern, ...]:
    """Parse the plain patterns of a .dockerignore; return none if a line has a `!`."""
    # A comment begins in the first column only.
    lines = [
        (line.strip(" \t\r"), number) for number, line in enumerate(text.split("\n"), 1) if not line.startswith("#")
    ]
    if any("!" in line for line, _ in lines):
        return ()
    matches = ((_PLAIN.fullmatch(line), number) for line, number in lines)
    return tuple(_make_line(match, number) for match, number in matches if match)


class Removal:
    """A fast matcher of `lines`, for paths that are not below an excluded directory.

    `names` are the file names that are excluded in every directory.
    """

    def __init__(self, lines: Iterable[IgnorePattern]) -> None:
        lines = list(lines)
        anywhere = [line.name for line in lines if line.name]
        self.names = {name for name in anywhere if "*" not in name}
        self._matches_name = _compile(_make_regex("", name) for name in anywhere if "*" in name)
        self._matches_path = _compile(line.regex for line in lines if not line.name)

    def removes(self, path: str, name: str) -> bool:
        """Return whether `path`, whose last part is `name`, is excluded."""
        return bool(
            name in self.names
            or (self._matches_name and self._matches_name(name))
            or (self._matches_path and self._matches_path(path))
        )


def find_excluding_pattern(path: str, lines: Iterable[IgnorePattern]) -> IgnorePattern | None:
    """Return the line that excludes `path` or a directory above it; None if the path is in the context."""
    parts = path.split("/")
    prefixes = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    return next(
        (line for line in lines if any(re.fullmatch(line.regex, prefix, re.DOTALL) for prefix in prefixes)), None
    )


def _make_line(match: re.Match[str], number: int) -> IgnorePattern:
    any_directory, path = match[1] or "", match[2].rstrip("/")
    return IgnorePattern(_make_regex(any_directory, path), number, path if any_directory and "/" not in path else "")


def _compile(regexes: Iterable[str]) -> Callable[[str], object] | None:
    alternatives = "|".join(regexes)
    return re.compile(alternatives, re.DOTALL).fullmatch if alternatives else None


def _make_regex(any_directory: str, path: str) -> str:
    prefix = "(?:.*/)?" if any_directory else ""
    return prefix + "".join("[^/]*" if character == "*" else re.escape(character) for character in path)
