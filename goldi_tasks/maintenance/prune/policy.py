"""Choose what a prune removes, and why, from the measured sizes alone.

It removes whole directories of projects, the least recently used first. Directories that were used within the last hour
stay, and so do those of the current project, unless their cache is named.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from goldi_tasks.cache.last_use import FRESH
from goldi_tasks.cache.safe_delete import KEY
from goldi_tasks.maintenance.prune import tool_commands
from goldi_tasks.maintenance.usage.sizes import CacheUsage, ProjectSize
from goldi_tasks.paths import BY_NAME
from goldi_tasks.units import format_age, format_size

# Prefix of a directory while it is being removed; a prune that was killed leaves such directories.
TRASH = ".goldi-removed-"

# Start of the reason of rows that are removed for the size limit of all caches.
OVER_LIMIT = "all caches exceed"

# What a row does: remove a directory, run a tool, remove old files, prune the build cache, or remove state files.
How = Literal["remove", "tool", "files", "builder", "state"]


@dataclass(frozen=True)
class Limits:
    """The limits of a prune: seconds without use, and bytes in total; 0 is no limit."""

    age: float = 0
    size: int = 0


@dataclass
class PruneRow:
    """Something to remove: `key` is the project's key or the directory's name, "" for the whole cache.

    `bytes` is what it can free at most. After the prune `freed` is what it freed, `kept` why it stays, `failed` the
    error; "" if there is none.
    """

    how: How
    what: str
    why: str
    key: str = ""
    bytes: int = 0
    files: int = 0
    last_use: float = 0.0
    freed: int = 0
    kept: str = ""
    failed: str = ""

    @property
    def title(self) -> str:
        """Return the name of the row for people."""
        return f"{self.what}/{self.key}" if self.key else self.what


@dataclass(frozen=True)
class PruneRequest:
    """A request to prune: the limits, the names of the caches (() for all), and the key of the current project."""

    limits: Limits
    names: tuple[str, ...] = ()
    current: str = ""

    def has(self, size: CacheUsage) -> bool:
        """Return whether a cache is to be pruned: it is named, and ours."""
        return size.exists and not size.refused and (not self.names or size.name in self.names)


def choose_rows(
    sizes: Sequence[CacheUsage], request: PruneRequest, now: float, is_gone: Callable[[str], bool]
) -> list[PruneRow]:
    """Return the rows: tools' commands, old directories and those of deleted projects, then the excess, oldest first.

    `is_gone` is called with a project's key and returns whether the project was deleted.
    """
    selected = [size for size in sizes if request.has(size)]
    rows = [*_tools(selected, request.limits), *(row for size in selected for row in _old(size, request, now, is_gone))]
    return [*rows, *_excess(selected, request, now, rows)] if request.limits.size else rows


def _tools(sizes: Sequence[CacheUsage], limits: Limits) -> Iterator[PruneRow]:
    """Yield a row for each shared cache: its tool's command; for pip, which has none, the age of its files."""
    for size in sizes:
        # An empty cache has one file, its tag.
        if size.scope == "project" or size.files <= 1:
            continue
        row = PruneRow("tool", size.name, "", bytes=size.bytes, files=size.files, last_use=size.last_use)
        if size.name in tool_commands.COMMANDS:
            yield replace(row, why=f"`{' '.join(tool_commands.COMMANDS[size.name])}` removes unused entries")
        elif size.name == "pip-cache" and limits.age:
            yield replace(row, how="files", why=f"files that were not used for {format_age(limits.age)}")


def _old(size: CacheUsage, request: PruneRequest, now: float, is_gone: Callable[[str], bool]) -> Iterator[PruneRow]:
    for part in size.projects:
        if part.key.startswith(TRASH):
            yield _row(size, part, "left by an interrupted prune")
        elif not _is_removable(size, part, request, now):
            continue
        elif is_gone(part.key):
            yield _row(size, part, "its project is gone")
        elif request.limits.age and now - part.last_use > request.limits.age:
            yield _row(size, part, f"not used for {format_age(now - part.last_use)}")


def _excess(
    sizes: Sequence[CacheUsage], request: PruneRequest, now: float, rows: Sequence[PruneRow]
) -> Iterator[PruneRow]:
    """Yield further directories until the rest is within the size limit."""
    removed_keys = {(row.what, row.key) for row in rows if row.how == "remove"}
    rest = sum(size.bytes for size in sizes) - sum(row.bytes for row in rows if row.how == "remove")
    parts = [(size, part) for size in sizes for part in size.projects if (size.name, part.key) not in removed_keys]
    for size, part in sorted(parts, key=lambda pair: pair[1].last_use):
        if rest > request.limits.size and _is_removable(size, part, request, now):
            rest -= part.bytes
            yield _row(size, part, f"{OVER_LIMIT} {format_size(request.limits.size)}; {_last_use(part, now)}")


def compute_excess(sizes: Sequence[CacheUsage], request: PruneRequest, rows: Sequence[PruneRow]) -> int:
    """Return the bytes by which the caches exceed the size limit after the prune."""
    freed = sum(row.freed for row in rows if row.what in BY_NAME)
    total = sum(size.bytes for size in sizes if request.has(size)) - freed
    return max(0, total - request.limits.size) if request.limits.size else 0


def _is_removable(size: CacheUsage, part: ProjectSize, request: PruneRequest, now: float) -> bool:
    """Return whether a project's directory may be removed at all."""
    is_current = part.key == request.current and size.name not in request.names
    return bool(KEY.fullmatch(part.key)) and not is_current and now - part.last_use > FRESH


def _row(size: CacheUsage, part: ProjectSize, why: str) -> PruneRow:
    return PruneRow("remove", size.name, why, part.key, part.bytes, part.files, part.last_use)


def _last_use(part: ProjectSize, now: float) -> str:
    return f"last used {format_age(max(0.0, now - part.last_use))} ago"
