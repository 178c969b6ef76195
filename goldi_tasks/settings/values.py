"""Check the values of keys: each function takes a raw value and its source, and returns the value for Settings.

All raise SettingsError.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from goldi_tasks.command import mask
from goldi_tasks.errors import SettingsError


def text(value: object, where: str) -> str:
    """Return a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{where} must be a string, not {value!r}", "Put it in quotes")
    if "\0" in value:
        raise SettingsError(f"{where} must not hold a NUL, as {value!r} does", "Leave it out")
    return value


def path(value: object, where: str) -> Path:
    """Return a path with `~` expanded."""
    try:
        return Path(text(value, where)).expanduser()
    except RuntimeError as error:
        raise SettingsError(f"{where} names an unknown user: '{value}'", "Write the full path") from error


def is_so(kind: Callable[[], bool]) -> bool:
    """Return the result of a path's test such as `is_dir`; False where the system cannot look up the path."""
    try:
        return kind()
    except (OSError, ValueError):
        return False


def directory(value: object, where: str) -> Path:
    """Return an absolute path."""
    directory_path = path(value, where)
    if not directory_path.is_absolute():
        raise SettingsError(f"{where} must be an absolute path, not '{value}'", "Begin it with / or ~")
    return directory_path


def folder(value: object, where: str) -> str:
    """Return an absolute path as a string."""
    return str(directory(value, where))


def file(value: object, where: str) -> str:
    """Return a path as a string."""
    return str(path(value, where))


def repository(value: object, where: str) -> str:
    """Return a registry with an optional path, as image names begin: `registry.example/team`, `127.0.0.1:5000`."""
    repository_name = text(value, where)
    # The grammar of distribution's `reference` package: a host, an optional port, then lower-case components.
    host = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?"
    component = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
    if not re.fullmatch(rf"{host}(?:/{component})*", repository_name):
        problem = f"{where} must be a registry or repository name, not {mask(repr(repository_name))}"
        remedy = "Write host and path only, in lower case, such as registry.example/team: no https://, no tag"
        raise SettingsError(problem, remedy)
    return repository_name


def inside(value: object, where: str) -> str:
    """Return a path inside the project."""
    relative_path = text(value, where)
    if Path(relative_path).is_absolute() or ".." in Path(relative_path).parts:
        problem = f"{where} must lie inside the project, not '{relative_path}'"
        raise SettingsError(problem, "Give it relative to pyproject.toml")
    return relative_path


def one_of(*choices: str) -> Callable[[object, str], str]:
    """Return a check that accepts only the strings in `choices`."""

    def check(value: object, where: str) -> str:
        if value not in choices:
            listing = " or ".join(f"'{choice}'" for choice in choices)
            count = "two" if len(choices) == 2 else "words"
            raise SettingsError(f"{where} must be {listing}, not {value!r}", f"Choose one of the {count}")
        return str(value)

    return check


def switch(value: object, where: str) -> bool:
    """Return true or false; in a variable 1 or 0."""
    enabled = {"1": True, "true": True, "0": False, "false": False}.get(str(value).lower())
    if enabled is None:
        raise SettingsError(f"{where} must be true or false, not {value!r}", "Write 1 or 0 in a variable")
    return enabled


def minutes(value: object, where: str) -> float:
    """Return a number of minutes above 0."""
    try:
        minutes = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else 0.0
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 1e6:
        raise SettingsError(
            f"{where} must be a number of minutes above 0, not {value!r}", "Write for example 30 or 0.5"
        )
    return minutes


def options(value: object, where: str) -> tuple[tuple[str, str], ...]:
    """Return pairs of name and value, sorted by name.

    They are given as a table, as a string as buildx takes it, `a=1,"b=2,3"`, or as a list of such strings.
    """
    pairs = dict(_pairs(value, where))
    return tuple(sorted(pairs.items()))


def _pairs(value: object, where: str, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, nested_value in value.items():
            # TOML parses a dotted key as nested tables.
            yield from _pairs(nested_value, where, f"{prefix}{name}.")
    elif prefix:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            value = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else None
        if value is None:
            raise SettingsError(f"{where}: {prefix[:-1]} must be a string or a number", "Put it in quotes")
        yield prefix[:-1], text(str(value), f"{where}: {prefix[:-1]}")
    else:
        for line in value if isinstance(value, list) else [value]:
            yield from _split_pairs(text(line, where), where)


def _split_pairs(line: str, where: str) -> Iterator[tuple[str, str]]:
    for part in (part.strip() for row in csv.reader([line]) for part in row):
        name, equals, value_text = part.partition("=")
        if not (name and equals and value_text):
            raise SettingsError(f"{where} must be names and values, not '{part}'", "Write name=value,name=value")
        yield name, value_text
