"""What clearing did, or would do: a line for each cache, a total, JSON, and the failure with its remedy."""

import errno
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from goldi_tasks.cache import safe_delete
from goldi_tasks.cache.safe_delete import Left
from goldi_tasks.errors import CacheRefused
from goldi_tasks.maintenance.clear_caches import Row
from goldi_tasks.units import format_size

# Of what stays in a cache people are shown so much; scripts get all of it.
SHOWN = 3


def lines(row: Row, *, dry: bool) -> Iterator[str]:
    """What there is to say of one cache."""
    name = f"{row.cache.name:<28}"
    if row.refused:
        yield f"{name}{'left alone':>13}  {shown(row.refused.removesuffix(': left alone'))}"
    elif not row.exists:
        yield f"{name}{'not there':>13}  {row.path}"
    else:
        of = f" of {format_size(row.tally.bytes)}, {row.tally.removed} of {row.tally.files} files" if dry else ""
        through = f", in part by a container of {row.image}, as root" if row.image else ""
        yield f"{name}{format_size(row.tally.freed):>13}{of} {_freed(dry)}{through}  {row.path}"
    left = row.tally.left
    for one in left[:SHOWN]:
        # As root nobody can do more than what was tried.
        root = ", unless a container can remove it as root" if dry and one.denied and os.geteuid() != 0 else ""
        yield f"    {'would be left' if dry else 'left'}: {_told(row, one)}{root}"
    if len(left) > SHOWN:
        yield f"    and {len(left) - SHOWN} more"


def total(rows: Iterable[Row], *, dry: bool) -> str:
    """The last line."""
    freed = format_size(sum(row.tally.freed for row in rows))
    return f"{'all':<28}{freed:>13} {_freed(dry)}"


def as_json(rows: Sequence[Row], *, dry: bool, interrupted: bool) -> dict[str, Any]:
    """All of it, for scripts; bytes as integers."""
    return {
        "dry_run": dry,
        "interrupted": interrupted,
        "freed": sum(row.tally.freed for row in rows),
        "removed": sum(row.tally.removed for row in rows),
        "caches": [_one(row) for row in rows],
    }


def failure(rows: Iterable[Row]) -> CacheRefused | None:
    """What was not cleared, None if all was; what a container writes meanwhile is no failure."""
    rows = list(rows)
    refused = [row.refused for row in rows if row.refused]
    left = [(row, one) for row in rows for one in row.tally.left if one.errno != errno.ENOTEMPTY]
    # First what has the better remedy.
    left.sort(key=lambda pair: not pair[1].denied)
    said = [*(f"could not remove {_told(*pair)}" for pair in left), *map(shown, refused)]
    if not said:
        return None
    more = f", and {len(said) - 1} more" if len(said) > 1 else ""
    return CacheRefused(f"{said[0]}{more}", _remedy(left))


def shown(text: str) -> str:
    """`text` for a terminal: a file's name may hold anything, also bytes that are no text, and escape sequences."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def _one(row: Row) -> dict[str, Any]:
    tally = row.tally
    found = {"name": row.cache.name, "scope": row.cache.scope, "path": str(row.path), "exists": row.exists}
    numbers = {"bytes": tally.bytes, "files": tally.files, "freed": tally.freed, "removed": tally.removed}
    left = [{"path": str(row.path / one.path), "reason": one.reason} for one in tally.left]
    foreign = [str(row.path / path) for path in tally.foreign]
    return {**found, **numbers, "refused": row.refused, "image": row.image, "foreign": foreign, "left": left}


def _freed(dry: bool) -> str:
    return "would be freed" if dry else "freed"


def _told(row: Row, left: Left) -> str:
    return shown(f"{row.path / left.path}: {left.reason}")


def _remedy(left: Sequence[tuple[Row, Left]]) -> str:
    denied = {row.path: row for row, one in left if one.denied}
    if denied and (os.geteuid() == 0 or any(row.image for row in denied.values())):
        return "Not even root may remove it: `lsattr` shows immutable files, `sudo chattr -i FILE` changes one"
    if denied:
        # The same program, which as root follows no link either.
        program = ("sudo", sys.executable, "-IB", safe_delete.__file__)
        return f"Run `{' && '.join(shlex.join((*program, *_words(row))) for row in denied.values())}`"
    if any(one.errno == errno.EROFS for _, one in left):
        return "Mount that file system writable, or choose another root with GOLDI_CACHE_ROOT"
    return "Remove it yourself if it is in the way"


def _words(row: Row) -> tuple[str, str, str]:
    """The arguments of walk.py for a cache."""
    return str(row.folder), row.only, "keys" if row.keys else "-"
