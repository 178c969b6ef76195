"""What a prune would remove, and why: a pure choice among what was measured.

Whole directories of projects, those that were not used for longest first. What was handed out within the last hour
stays, and so does what the current project has, unless its cache is named.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from goldi_tasks.cache.last_use import FRESH
from goldi_tasks.cache.safe_delete import KEY
from goldi_tasks.maintenance.prune import tool_commands
from goldi_tasks.maintenance.usage.sizes import Part, Size
from goldi_tasks.paths import BY_NAME
from goldi_tasks.units import format_age, format_size

# What is removed has this name meanwhile; what has it was left by a prune that was ended.
TRASH = ".goldi-removed-"

# How the reason of a row begins that goes only because all caches together are too large.
OVER_LIMIT = "all caches exceed"

# A directory is removed; a tool prunes its cache; old files go; the builder prunes its store; our own notes go.
How = Literal["remove", "tool", "files", "builder", "state"]


@dataclass(frozen=True)
class Limits:
    """Seconds without use after which something goes, and bytes that may stay; 0 is no limit."""

    age: float = 0
    size: int = 0


@dataclass
class Row:
    """Something that goes: `key` is the project's or the directory's name, "" where it is the cache as a whole.

    `bytes` is what it may free at most. `freed` is what it did, `kept` why it stays after all, `failed` what was
    wrong.
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
        """It in a word for people."""
        return f"{self.what}/{self.key}" if self.key else self.what


@dataclass(frozen=True)
class Asked:
    """What is to be pruned: by which limits, of which caches (all if none is named), and who the current project is."""

    limits: Limits
    names: tuple[str, ...] = ()
    current: str = ""

    def has(self, size: Size) -> bool:
        """Whether a cache is meant, and ours."""
        return size.exists and not size.refused and (not self.names or size.name in self.names)


def choose(found: Sequence[Size], asked: Asked, now: float, gone: Callable[[str], bool]) -> list[Row]:
    """The rows: what tools can do, what is old or whose project is gone, then what is too much, oldest first."""
    chosen = [size for size in found if asked.has(size)]
    rows = [*_tools(chosen, asked.limits), *(row for size in chosen for row in _old(size, asked, now, gone))]
    return [*rows, *_excess(chosen, asked, now, rows)] if asked.limits.size else rows


def _tools(chosen: Sequence[Size], limits: Limits) -> Iterator[Row]:
    """What a shared cache is pruned by: its tool, or for pip's, which has no such command, the age of its files."""
    for size in chosen:
        # The tag is a file.
        if size.scope == "project" or size.files <= 1:
            continue
        row = Row("tool", size.name, "", bytes=size.bytes, files=size.files, last_use=size.last_use)
        if size.name in tool_commands.COMMANDS:
            yield replace(row, why=f"`{' '.join(tool_commands.COMMANDS[size.name])}` removes unused entries")
        elif size.name == "pip-cache" and limits.age:
            yield replace(row, how="files", why=f"files that were not used for {format_age(limits.age)}")


def _old(size: Size, asked: Asked, now: float, gone: Callable[[str], bool]) -> Iterator[Row]:
    for part in size.projects:
        if part.key.startswith(TRASH):
            yield _row(size, part, "left by a prune that was ended")
        elif not _free(size, part, asked, now):
            continue
        elif gone(part.key):
            yield _row(size, part, "its project is gone")
        elif asked.limits.age and now - part.last_use > asked.limits.age:
            yield _row(size, part, f"not used for {format_age(now - part.last_use)}")


def _excess(chosen: Sequence[Size], asked: Asked, now: float, rows: Sequence[Row]) -> Iterator[Row]:
    """What else goes until the rest is within the limit."""
    going = {(row.what, row.key) for row in rows if row.how == "remove"}
    left = sum(size.bytes for size in chosen) - sum(row.bytes for row in rows if row.how == "remove")
    parts = [(size, part) for size in chosen for part in size.projects if (size.name, part.key) not in going]
    for size, part in sorted(parts, key=lambda pair: pair[1].last_use):
        if left > asked.limits.size and _free(size, part, asked, now):
            left -= part.bytes
            yield _row(size, part, f"{OVER_LIMIT} {format_size(asked.limits.size)}; {_used(part, now)}")


def over(found: Sequence[Size], asked: Asked, rows: Sequence[Row]) -> int:
    """By how many bytes the caches stay over the limit, after all that was freed."""
    freed = sum(row.freed for row in rows if row.what in BY_NAME)
    total = sum(size.bytes for size in found if asked.has(size)) - freed
    return max(0, total - asked.limits.size) if asked.limits.size else 0


def _free(size: Size, part: Part, asked: Asked, now: float) -> bool:
    """Whether a project's directory may go at all."""
    current = part.key == asked.current and size.name not in asked.names
    return bool(KEY.fullmatch(part.key)) and not current and now - part.last_use > FRESH


def _row(size: Size, part: Part, why: str) -> Row:
    return Row("remove", size.name, why, part.key, part.bytes, part.files, part.last_use)


def _used(part: Part, now: float) -> str:
    return f"last used {format_age(max(0.0, now - part.last_use))} ago"
