"""Report what clearing did, or would do: a line for each cache, a total, JSON, and the failure with its remedy."""

import errno
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from goldi_tasks.cache import safe_delete
from goldi_tasks.cache.safe_delete import NotDeleted
from goldi_tasks.errors import CacheRefused
from goldi_tasks.maintenance.clear_caches import CacheClearing
from goldi_tasks.units import format_size

# How many of the paths that could not be removed are printed; JSON has all of them.
SHOWN = 3


def format_row(row: CacheClearing, *, dry: bool) -> Iterator[str]:
    """Yield the lines about one cache, and about the paths in it that could not be removed."""
    name = f"{row.cache.name:<28}"
    if row.refused:
        yield f"{name}{'left alone':>13}  {escape_unprintable(row.refused.removesuffix(': left alone'))}"
    elif not row.exists:
        yield f"{name}{'not there':>13}  {row.path}"
    else:
        share = f" of {format_size(row.tally.bytes)}, {row.tally.removed} of {row.tally.files} files" if dry else ""
        container = f", in part by a container of {row.image}, as root" if row.image else ""
        yield f"{name}{format_size(row.tally.freed):>13}{share} {_freed(dry)}{container}  {row.path}"
    remaining = row.tally.left
    for entry in remaining[:SHOWN]:
        # As root a container can do no more than what was tried.
        condition = ", unless a container can remove it as root" if dry and entry.denied and os.geteuid() != 0 else ""
        yield f"    {'would be left' if dry else 'left'}: {_describe(row, entry)}{condition}"
    if len(remaining) > SHOWN:
        yield f"    and {len(remaining) - SHOWN} more"


def total(rows: Iterable[CacheClearing], *, dry: bool) -> str:
    """Return the line with the sum of all caches."""
    freed = format_size(sum(row.tally.freed for row in rows))
    return f"{'all':<28}{freed:>13} {_freed(dry)}"


def as_json(rows: Sequence[CacheClearing], *, dry: bool, interrupted: bool) -> dict[str, Any]:
    """Return everything in plain types for scripts; sizes in bytes."""
    return {
        "dry_run": dry,
        "interrupted": interrupted,
        "freed": sum(row.tally.freed for row in rows),
        "removed": sum(row.tally.removed for row in rows),
        "caches": [_row_as_json(row) for row in rows],
    }


def find_failure(rows: Iterable[CacheClearing]) -> CacheRefused | None:
    """Return the error for what was not cleared, None if all was; files written in the meantime are no failure."""
    rows = list(rows)
    refused = [row.refused for row in rows if row.refused]
    remaining = [(row, entry) for row in rows for entry in row.tally.left if entry.errno != errno.ENOTEMPTY]
    # Missing permissions come first: they have the better remedy.
    remaining.sort(key=lambda pair: not pair[1].denied)
    problems = [*(f"could not remove {_describe(*pair)}" for pair in remaining), *map(escape_unprintable, refused)]
    if not problems:
        return None
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    return CacheRefused(f"{problems[0]}{more}", _remedy(remaining))


def escape_unprintable(text: str) -> str:
    """Escape `text` for a terminal: a file name may contain bytes that are no text, and escape sequences."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def _row_as_json(row: CacheClearing) -> dict[str, Any]:
    tally = row.tally
    cache = {"name": row.cache.name, "scope": row.cache.scope, "path": str(row.path), "exists": row.exists}
    numbers = {"bytes": tally.bytes, "files": tally.files, "freed": tally.freed, "removed": tally.removed}
    remaining = [{"path": str(row.path / entry.path), "reason": entry.reason} for entry in tally.left]
    foreign = [str(row.path / path) for path in tally.foreign]
    return {**cache, **numbers, "refused": row.refused, "image": row.image, "foreign": foreign, "left": remaining}


def _freed(dry: bool) -> str:
    return "would be freed" if dry else "freed"


def _describe(row: CacheClearing, entry: NotDeleted) -> str:
    return escape_unprintable(f"{row.path / entry.path}: {entry.reason}")


def _remedy(remaining: Sequence[tuple[CacheClearing, NotDeleted]]) -> str:
    denied = {row.path: row for row, entry in remaining if entry.denied}
    if denied and (os.geteuid() == 0 or any(row.image for row in denied.values())):
        return "Not even root may remove it: `lsattr` shows immutable files, `sudo chattr -i FILE` changes one"
    if denied:
        # safe_delete.py runs alone, and follows no link as root either.
        program = ("sudo", sys.executable, "-IB", safe_delete.__file__)
        return f"Run `{' && '.join(shlex.join((*program, *_arguments(row))) for row in denied.values())}`"
    if any(entry.errno == errno.EROFS for _, entry in remaining):
        return "Mount that file system writable, or choose another root with GOLDI_CACHE_ROOT"
    return "Remove it yourself if it is in the way"


def _arguments(row: CacheClearing) -> tuple[str, str, str]:
    """Return the arguments of safe_delete.py for a cache."""
    return str(row.folder), row.only, "keys" if row.keys else "-"
