"""What may be written for a key: each takes a value and where it stands, and gives what it means.

All raise SettingsError.
"""

import re
from collections.abc import Callable
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


def file(value: object, where: str) -> str:
    """A path, as text."""
    return str(path(value, where))


def repository(value: object, where: str) -> str:
    """A place in a registry, as an image's name has it before its tag: `ghcr.io/team`, `127.0.0.1:5000`."""
    found = text(value, where)
    # The grammar of distribution's `reference` package: a host, maybe a port, then lower-case parts.
    host, part = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?", r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
    if not re.fullmatch(rf"{host}(?:/{part})*", found):
        remedy = "Write host and path alone, in lower case, such as ghcr.io/team: no https://, no tag"
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
            known = " or ".join(filter(None, (", ".join(f"'{word}'" for word in words[:-1]), f"'{words[-1]}'")))
            raise SettingsError(f"{where} must be {known}, not {value!r}", "Choose one of them")
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
