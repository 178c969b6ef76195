"""Read ages and sizes as people write them, `60d` and `20GB`, and format them."""

import math
import re
from datetime import timedelta

from goldi_tasks.errors import SettingsError

_AGES = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SIZES = {"b": 1} | {
    prefix + unit: base**power
    for unit, base in (("b", 1000), ("ib", 1024))
    for power, prefix in enumerate(("k", "m", "g", "t", "p"), 1)
}
# Larger values are typing errors: no machine has such ages and sizes.
_OLDEST, _LARGEST = timedelta(days=36500).total_seconds(), 10**18
_AMOUNT = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*([a-z]*)", re.ASCII | re.IGNORECASE)


def age(value: object, where: str) -> float:
    """Return the seconds of an age such as `30d`; 0 for "" and 0, which mean no limit. Raises SettingsError."""
    return _amount(value, where, _AGES, _OLDEST, "an age such as 60d or 12h", "s, m, h, d or w")


def size(value: object, where: str) -> int:
    """Return the bytes of a size such as `20GB`; 0 for "" and 0, which mean no limit. Raises SettingsError."""
    return int(_amount(value, where, _SIZES, _LARGEST, "a size such as 20GB or 512MiB", "B, kB, MB, GB, TB or KiB ..."))


def _amount(value: object, where: str, units: dict[str, int], maximum: float, example: str, unit_names: str) -> float:
    # bool is a subclass of int, but not accepted here.
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else "?"
    if text in ("", "0"):
        return 0
    match = _AMOUNT.fullmatch(text)
    unit = units.get(match[2].lower()) if match else None
    amount = float(match[1]) * unit if match and unit else math.inf
    if not 0 < amount <= maximum:
        quoted = repr(value) if len(repr(value)) <= 40 else f"{repr(value)[:40]}..."
        raise SettingsError(
            f"{where} must be {example}, not {quoted}", f"Give a number and {unit_names}; 0 is no limit"
        )
    return amount


def format_age(seconds: float) -> str:
    """Return an age for people, in its largest unit: `3 days`, `1 hour`."""
    for name, unit in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= unit or unit == 1:
            number = max(0, int(seconds // unit))
            return f"{number} {name}{'s' * (number != 1)}"
    raise AssertionError


def format_size(number: float) -> str:
    """Return bytes for people, in powers of 1000 as Docker shows them: `12 B`, `97 kB`, `12.3 MB`, `1.2 GB`."""
    if number < 1e3:
        return f"{number:.0f} B"
    if number < 1e6:
        return f"{number / 1e3:.0f} kB"
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"
