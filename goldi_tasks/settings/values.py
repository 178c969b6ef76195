"""What may be written for a key: each takes a value and where it stands, and gives what it means.

All raise SettingsError.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from goldi_tasks.command import mask
from goldi_tasks.errors import SettingsError


def text(value: object, where: str) -> str:
    """A string that is not empty."""
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{where} must be a string, not {value!r}", "Put it in quotes")
    if "\0" in value:
        raise SettingsError(f"{where} must not hold a NUL, as {value!r} does", "Leave it out")
    return value


def path(value: object, where: str) -> Path:
    """A path, `~` resolved."""
    try:
        return Path(text(value, where)).expanduser()
    except RuntimeError as error:
        raise SettingsError(f"{where} names a user that is not known: '{value}'", "Write the directory out") from error


def is_so(kind: Callable[[], bool]) -> bool:
    """What a path says it is; one that the system cannot look up, as a too long one, is nothing."""
    try:
        return kind()
    except (OSError, ValueError):
        return False


def directory(value: object, where: str) -> Path:
    """An absolute path."""
    found = path(value, where)
    if not found.is_absolute():
        raise SettingsError(f"{where} must be an absolute path, not '{value}'", "Begin it with / or ~")
    return found


def folder(value: object, where: str) -> str:
    """An absolute path, as text."""
    return str(directory(value, where))


def file(value: object, where: str) -> str:
    """A path, as text."""
    return str(path(value, where))


def repository(value: object, where: str) -> str:
    """A place in a registry, as an image's name has it before its tag: `registry.example/team`, `127.0.0.1:5000`."""
    found = text(value, where)
    # The grammar of distribution's `reference` package: a host, maybe a port, then lower-case parts.
    host, part = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?", r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
    if not re.fullmatch(rf"{host}(?:/{part})*", found):
        remedy = "Write host and path alone, in lower case, such as registry.example/team: no https://, no tag"
        raise SettingsError(f"{where} must be a place in a registry, not {mask(repr(found))}", remedy)
    return found


def inside(value: object, where: str) -> str:
    """A path inside the project."""
    found = text(value, where)
    if Path(found).is_absolute() or ".." in Path(found).parts:
        raise SettingsError(f"{where} must lie inside the project, not '{found}'", "Give it relative to pyproject.toml")
    return found


def one_of(*words: str) -> Callable[[object, str], str]:
    """One of `words`."""

    def check(value: object, where: str) -> str:
        if value not in words:
            known = " or ".join(f"'{word}'" for word in words)
            count = "two" if len(words) == 2 else "words"
            raise SettingsError(f"{where} must be {known}, not {value!r}", f"Choose one of the {count}")
        return str(value)

    return check


def switch(value: object, where: str) -> bool:
    """True or false; a variable says 1 or 0."""
    said = {"1": True, "true": True, "0": False, "false": False}.get(str(value).lower())
    if said is None:
        raise SettingsError(f"{where} must be true or false, not {value!r}", "In a variable, 1 or 0")
    return said


def minutes(value: object, where: str) -> float:
    """A number of minutes above 0."""
    try:
        minutes = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else 0.0
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 1e6:
        raise SettingsError(f"{where} must be a number of minutes above 0, not {value!r}", "Say 30, or 0.5")
    return minutes


def options(value: object, where: str) -> tuple[tuple[str, str], ...]:
    """Names and values: a table, or text as buildx takes it, `a=1,"b=2,3"`, or a list of such texts; sorted by name."""
    found = dict(_pairs(value, where))
    return tuple(sorted(found.items()))


def _pairs(value: object, where: str, above: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, said in value.items():
            # TOML takes a dot in a key for a table in a table.
            yield from _pairs(said, where, f"{above}{name}.")
    elif above:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            value = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else None
        if value is None:
            raise SettingsError(f"{where}: {above[:-1]} must be a text or a number", "Put it in quotes")
        yield above[:-1], text(str(value), f"{where}: {above[:-1]}")
    else:
        for line in value if isinstance(value, list) else [value]:
            yield from _split(text(line, where), where)


def _split(line: str, where: str) -> Iterator[tuple[str, str]]:
    for part in (part.strip() for row in csv.reader([line]) for part in row):
        name, equals, said = part.partition("=")
        if not (name and equals and said):
            raise SettingsError(f"{where} must be names and values, not '{part}'", "Write name=value,name=value")
        yield name, said
