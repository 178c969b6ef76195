"""What a .dockerignore leaves out, as BuildKit's client decides it.

The rules are those of github.com/moby/patternmatcher (MatchesUsingParentResults) and of its reader of
ignore files. Where they are not followed to the letter, more is taken in and never less: a file too many
in a fingerprint costs a build, one too few an outdated image.
"""

import posixpath
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Pattern:
    """A line of a .dockerignore, with its number; `keeps` if it began with `!`."""

    regex: re.Pattern[str]
    keeps: bool
    line: int


def parse(text: str) -> tuple[Pattern, ...]:
    """The patterns of a .dockerignore."""
    found = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        # A comment begins in the first column, before anything is trimmed.
        word = "" if line.startswith("#") else line.strip()
        keeps = word.startswith("!")
        word = word.removeprefix("!").strip()
        if word:
            found.append(Pattern(_regex(posixpath.normpath(word).lstrip("/") or "/"), keeps, number))
    return tuple(found)


def left_out(path: str, patterns: tuple[Pattern, ...]) -> bool:
    """Whether the file or directory `path` (relative, with slashes) stays out of the context."""
    return left_out_by(path, patterns) is not None


def left_out_by(path: str, patterns: tuple[Pattern, ...]) -> Pattern | None:
    """The pattern that keeps `path` out of the context; None if it is in it."""
    parts = path.split("/")
    above = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    out: Pattern | None = None
    for pattern in patterns:
        # Only a pattern that would change the verdict is asked; one that matches a directory matches all in it.
        if pattern.keeps == (out is not None) and any(pattern.regex.fullmatch(parent) for parent in above):
            out = None if pattern.keeps else pattern
    return out


def _regex(pattern: str) -> re.Pattern[str]:
    built, rest = "", pattern
    while rest:
        if rest.startswith("**"):
            rest = rest[2:].removeprefix("/")
            built += "(.*/)?" if rest else ".*"
        elif rest.startswith("*"):
            built, rest = f"{built}[^/]*", rest[1:]
        elif rest.startswith("?"):
            built, rest = f"{built}[^/]", rest[1:]
        elif group := re.match(r"\[(\^?)(]?[^]]*)]", rest):
            built, rest = f"{built}{group[0]}", rest[group.end() :]
        else:
            escaped = rest[1:] if rest.startswith("\\") and len(rest) > 1 else rest
            built, rest = built + re.escape(escaped[0]), escaped[1:]
    try:
        return re.compile(built, re.DOTALL)
    except re.error:
        # The builder refuses such a pattern; matching nothing takes more in.
        return re.compile(r"(?!)")
