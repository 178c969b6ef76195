"""What `cache.status` says: a table with bars for people, and all of it for scripts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from goldi_tasks.maintenance.clear_report import shown
from goldi_tasks.maintenance.usage.builder_store import Store
from goldi_tasks.maintenance.usage.sizes import Disk, Size, remarks
from goldi_tasks.units import format_age, format_size

_BAR = 12
# What a table takes beside its names and its bars.
_FIGURES = 34


@dataclass(frozen=True)
class Line:
    """A row of the table: `used` in words."""

    name: str
    bytes: int
    files: int | None = None
    used: str = ""
    style: str = ""


def show(found: Sequence[Size], store: Store | None, remark: str, now: float, *, verbose: bool) -> None:
    """Print the table, no wider than the terminal is, or than 80 columns where there is none."""
    # 0.06 s.
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    # A variable for columns is a terminal's; others read lines.
    wide = console.width if console.is_terminal else 80
    for text, style in [*tables(found, store, now, wide, verbose=verbose), ("", "")]:
        console.print(Text(text, style=style if console.is_terminal else ""))
    for text in (*_disks(found), *(said for size in found for said in remarks(size)), *filter(None, [remark])):
        console.print(text, markup=False)


def tables(
    found: Sequence[Size], store: Store | None, now: float, wide: int, *, verbose: bool
) -> Iterator[tuple[str, str]]:
    """The lines, none longer than `wide`, each with its style."""
    caches = list(_caches(found, now, verbose=verbose))
    total = Line("all", sum(size.bytes for size in found), sum(size.files for size in found))
    yield from _table([*caches, total], max((size.bytes for size in found), default=0), wide)
    if store:
        yield "", ""
        yield from _table(list(_store(store, now)), store.bytes, wide)


def as_json(found: Sequence[Size], store: Store | None, remark: str) -> dict[str, Any]:
    """It in plain types; the shape is told by the task."""
    return {
        "bytes": sum(size.bytes for size in found),
        "files": sum(size.files for size in found),
        "caches": [_cache(size) for size in found],
        "builder": _builder(store) if store else None,
        "remarks": [remark] if remark else [],
    }


def when(seconds: float) -> str | None:
    """A time in ISO 8601, None for never."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds > 0 else None


def ago(seconds: float, now: float) -> str:
    """How long ago that was, in words; what clocks make of the future is now."""
    return f"{format_age(max(0.0, now - seconds))} ago" if seconds > 0 else "never"


def _caches(found: Sequence[Size], now: float, *, verbose: bool) -> Iterator[Line]:
    for size in found:
        if not size.exists:
            yield Line(size.name, 0, None, "left alone" if size.refused else "not there", "dim")
            continue
        used = "left alone" if size.refused else ago(size.last_use, now)
        yield Line(size.name, size.bytes, size.files, used, "yellow" if size.refused else "")
        for part in size.projects if verbose else ():
            yield Line(f"  {part.key}", part.bytes, part.files, ago(part.last_use, now), "dim")


def _store(store: Store, now: float) -> Iterator[Line]:
    yield Line("builder", store.bytes, len(store.records), f"{format_size(store.reclaimable)} reclaimable")
    for mount in store.mounts:
        # What was given no id has its place for one.
        own = mount.id.strip("/") not in ("", mount.target.strip("/"))
        yield Line(
            f"  mount {mount.id.lstrip('/') if own else mount.target}", mount.bytes, None, ago(mount.last_use, now)
        )


def _table(lines: Sequence[Line], most: int, wide: int) -> Iterator[tuple[str, str]]:
    """Rows that are cut, never broken: first the bars go, then the ends of names."""
    names = [shown(line.name) for line in lines]
    bars = wide > _FIGURES + 2 + _BAR + 16
    room = max(8, min(max(map(len, names)), wide - _FIGURES - (2 + _BAR if bars else 0)))
    for name, line in zip(names, lines, strict=True):
        text = name if len(name) <= room else f"{name[: room - 3]}..."
        size = format_size(line.bytes) if line.bytes or line.files is not None else ""
        files = "" if line.files is None else str(line.files)
        bar = f"  {_bar(line.bytes, most) if line.name != 'all' else '':<{_BAR}}" if bars else ""
        yield f"{text:<{room}} {size:>9} {files:>8}{bar}  {line.used:<13}".rstrip()[:wide], line.style


def _bar(part: int, whole: int) -> str:
    """As long as its share; what is anything at all has a bit."""
    eighths = min(_BAR * 8, -(-part * _BAR * 8 // whole)) if whole and part else 0
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def _disks(found: Sequence[Size]) -> Iterator[str]:
    """Where the caches lie, and what is free there: once for each root."""
    roots = dict.fromkeys((size.path.parent, size.disk.type) for size in found)
    for root, kind in roots:
        disk = next(size.disk for size in found if size.path.parent == root)
        of = f"{format_size(disk.free)} of {format_size(disk.capacity)} free"
        yield f"{shown(str(root))}: {kind or 'file system'}, {of}"


def _cache(size: Size) -> dict[str, Any]:
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


def _builder(store: Store) -> dict[str, Any]:
    return {
        "bytes": store.bytes,
        "reclaimable": store.reclaimable,
        "records": len(store.records),
        "mounts": [
            {"id": mount.id, "target": mount.target, "bytes": mount.bytes, "last_use": when(mount.last_use)}
            for mount in store.mounts
        ],
    }
