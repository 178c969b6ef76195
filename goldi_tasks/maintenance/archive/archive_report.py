"""Report a save or a restore: a line for each cache and a total, or JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

from goldi_tasks.maintenance.archive.archive_manifest import ArchivePart, join_names
from goldi_tasks.maintenance.archive.restore_archive import Restored
from goldi_tasks.maintenance.archive.save_archive import Saved
from goldi_tasks.maintenance.clear_report import escape_unprintable
from goldi_tasks.units import format_size


def format_saved(summary: Saved) -> Iterator[str]:
    """Yield the lines that report a save."""
    yield from _format_parts(summary.parts)
    for reason, count in sorted(summary.left_out.items()):
        yield f"    left out: {count} {reason}"
    yield f"{'all':<36}{format_size(summary.bytes):>13} in {escape_unprintable(summary.file)}, {summary.seconds:.1f} s"


def format_restored(summary: Restored, file: str) -> Iterator[str]:
    """Yield the lines that report a restore from `file`."""
    yield from _format_parts(summary.parts)
    if summary.not_restored:
        yield f"    not restored: {join_names(summary.not_restored)}"
    size = format_size(sum(part.bytes for part in summary.parts))
    yield f"{'all':<36}{size:>13} from {escape_unprintable(file)}, saved by {summary.key}, {summary.seconds:.1f} s"


def saved_json(summary: Saved) -> dict[str, Any]:
    """Return the report of a save for JSON; sizes are bytes as integers."""
    fields = {"file": summary.file, "bytes": summary.bytes, "seconds": round(summary.seconds, 3)}
    return {**fields, "caches": [_part_as_json(part) for part in summary.parts], "left_out": summary.left_out}


def restored_json(summary: Restored, file: str) -> dict[str, Any]:
    """Return the report of a restore from `file` for JSON; sizes are bytes as integers."""
    fields = {"file": file, "key": summary.key, "seconds": round(summary.seconds, 3)}
    not_restored = [_part_as_json(part) for part in summary.not_restored]
    return {**fields, "caches": [_part_as_json(part) for part in summary.parts], "not_restored": not_restored}


def _format_parts(parts: Sequence[ArchivePart]) -> Iterator[str]:
    for part in parts:
        name = part.name if part.kind == "dir" else f"mount {part.name}"
        yield f"{name:<36}{format_size(part.bytes):>13} {_count_files(part):8d} files"


def _part_as_json(part: ArchivePart) -> dict[str, Any]:
    return {"kind": part.kind, "name": part.name, "bytes": part.bytes, "files": _count_files(part)}


def _count_files(part: ArchivePart) -> int:
    return sum(entry.kind == "f" for entry in part.entries)
