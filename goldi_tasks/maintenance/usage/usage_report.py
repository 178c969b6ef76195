"""Report what `cache.status` measured: a table with bars for people, JSON for scripts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from goldi_tasks.maintenance.clear_report import escape_unprintable
from goldi_tasks.maintenance.usage.builder_store import BuildCache
from goldi_tasks.maintenance.usage.sizes import CacheUsage, Disk, remarks
from goldi_tasks.units import format_age, format_size

_BAR = 12
# Columns of the table without its names and its bars.
_FIGURES = 34


@dataclass(frozen=True)
class UsageLine:
    """A row of the table; `used` is the last use in words."""

    name: str
    bytes: int
    files: int | None = None
    used: str = ""
    style: str = ""


def show(sizes: Sequence[CacheUsage], store: BuildCache | None, remark: str, now: float, *, verbose: bool) -> None:
    """Print the tables, no wider than the terminal, or than 80 columns if there is none."""
    # Imported here: 0.06 s.
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    # Without a terminal COLUMNS is ignored, so that the lines always have the same form.
    width = console.width if console.is_terminal else 80
    for text, style in [*tables(sizes, store, now, width, verbose=verbose), ("", "")]:
        console.print(Text(text, style=style if console.is_terminal else ""))
    for text in (*_disks(sizes), *(line for size in sizes for line in remarks(size)), *filter(None, [remark])):
        console.print(text, markup=False)


def tables(
    sizes: Sequence[CacheUsage], store: BuildCache | None, now: float, width: int, *, verbose: bool
) -> Iterator[tuple[str, str]]:
    """Yield the lines of the tables, none longer than `width`, each with its style."""
    caches = list(_caches(sizes, now, verbose=verbose))
    total = UsageLine("all", sum(size.bytes for size in sizes), sum(size.files for size in sizes))
    yield from _table([*caches, total], max((size.bytes for size in sizes), default=0), width)
    if store:
        yield "", ""
        yield from _table(list(_store(store, now)), store.bytes, width)


def as_json(sizes: Sequence[CacheUsage], store: BuildCache | None, remark: str) -> dict[str, Any]:
    """Return everything in plain types for scripts; the help text of the task documents the keys."""
    return {
        "bytes": sum(size.bytes for size in sizes),
        "files": sum(size.files for size in sizes),
        "caches": [_cache(size) for size in sizes],
        "builder": _builder(store) if store else None,
        "remarks": [remark] if remark else [],
    }


def when(seconds: float) -> str | None:
    """Format seconds since the epoch in ISO 8601; None for 0, which means never."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds > 0 else None


def ago(seconds: float, now: float) -> str:
    """Format how long ago `seconds` since the epoch was; a time in the future is shown as now."""
    return f"{format_age(max(0.0, now - seconds))} ago" if seconds > 0 else "never"


def _caches(sizes: Sequence[CacheUsage], now: float, *, verbose: bool) -> Iterator[UsageLine]:
    for size in sizes:
        if not size.exists:
            yield UsageLine(size.name, 0, None, "left alone" if size.refused else "not there", "dim")
            continue
        used = "left alone" if size.refused else ago(size.last_use, now)
        yield UsageLine(size.name, size.bytes, size.files, used, "yellow" if size.refused else "")
        for part in size.projects if verbose else ():
            yield UsageLine(f"  {part.key}", part.bytes, part.files, ago(part.last_use, now), "dim")


def _store(store: BuildCache, now: float) -> Iterator[UsageLine]:
    yield UsageLine("builder", store.bytes, len(store.records), f"{format_size(store.reclaimable)} reclaimable")
    for mount in store.mounts:
        # A mount without an id in the Dockerfile has its target as id.
        has_id = mount.id.strip("/") not in ("", mount.target.strip("/"))
        yield UsageLine(
            f"  mount {mount.id.lstrip('/') if has_id else mount.target}", mount.bytes, None, ago(mount.last_use, now)
        )


def _table(lines: Sequence[UsageLine], largest: int, width: int) -> Iterator[tuple[str, str]]:
    """Yield rows that fit into `width`: bars are left out first, then names are cut."""
    names = [escape_unprintable(line.name) for line in lines]
    has_bars = width > _FIGURES + 2 + _BAR + 16
    name_width = max(8, min(max(map(len, names)), width - _FIGURES - (2 + _BAR if has_bars else 0)))
    for name, line in zip(names, lines, strict=True):
        text = name if len(name) <= name_width else f"{name[: name_width - 3]}..."
        size = format_size(line.bytes) if line.bytes or line.files is not None else ""
        files = "" if line.files is None else str(line.files)
        bar = f"  {_bar(line.bytes, largest) if line.name != 'all' else '':<{_BAR}}" if has_bars else ""
        yield f"{text:<{name_width}} {size:>9} {files:>8}{bar}  {line.used:<13}".rstrip()[:width], line.style


def _bar(part: int, whole: int) -> str:
    """Return a bar as long as the share of `part` in `whole`; at least one eighth of a column unless `part` is 0."""
    eighths = min(_BAR * 8, -(-part * _BAR * 8 // whole)) if whole and part else 0
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def _disks(sizes: Sequence[CacheUsage]) -> Iterator[str]:
    """Yield the path, file system and free space of each cache root."""
    roots = dict.fromkeys((size.path.parent, size.disk.type) for size in sizes)
    for root, kind in roots:
        disk = next(size.disk for size in sizes if size.path.parent == root)
        free = f"{format_size(disk.free)} of {format_size(disk.capacity)} free"
        yield f"{escape_unprintable(str(root))}: {kind or 'file system'}, {free}"


def _cache(size: CacheUsage) -> dict[str, Any]:
    return {
        "name": size.name,
        "scope": size.scope,
        "path": str(size.path),
        "exists": size.exists,
        "tagged": size.tagged,
        "bytes": size.bytes,
        "files": size.files,
        "last_use": when(size.last_use),
        **_disk(size.disk),
        "refused": size.refused,
        "unreadable": list(size.unreadable),
        "projects": [
            {
                "key": part.key,
                "project": part.project,
                "bytes": part.bytes,
                "files": part.files,
                "last_use": when(part.last_use),
            }
            for part in size.projects
        ],
    }


def _disk(disk: Disk) -> dict[str, Any]:
    return {"file_system": disk.type, "free": disk.free, "capacity": disk.capacity}


def _builder(store: BuildCache) -> dict[str, Any]:
    return {
        "bytes": store.bytes,
        "reclaimable": store.reclaimable,
        "records": len(store.records),
        "mounts": [
            {"id": mount.id, "target": mount.target, "bytes": mount.bytes, "last_use": when(mount.last_use)}
            for mount in store.mounts
        ],
    }
