"""What is told of an archive: a line for each cache in it, a total, and JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

from goldi_tasks.maintenance.archive.archive_manifest import Part, together
from goldi_tasks.maintenance.archive.restore_archive import Restored
from goldi_tasks.maintenance.archive.save_archive import Saved
from goldi_tasks.maintenance.clear_report import shown
from goldi_tasks.units import format_size


def saved(found: Saved) -> Iterator[str]:
    """What came of a save, for people."""
    yield from _rows(found.parts)
    for reason, number in sorted(found.left.items()):
        yield f"    left out: {number} {reason}"
    yield f"{'all':<36}{format_size(found.bytes):>13} in {shown(found.file)}, {found.seconds:.1f} s"


def restored(found: Restored, file: str) -> Iterator[str]:
    """What came of a restore, for people."""
    yield from _rows(found.parts)
    if found.left:
        yield f"    not restored: {together(found.left)}"
    size = format_size(sum(part.bytes for part in found.parts))
    yield f"{'all':<36}{size:>13} from {shown(file)}, saved by {found.key}, {found.seconds:.1f} s"


def saved_json(found: Saved) -> dict[str, Any]:
    """What came of a save, for scripts; bytes as integers."""
    own = {"file": found.file, "bytes": found.bytes, "seconds": round(found.seconds, 3)}
    return {**own, "caches": [_one(part) for part in found.parts], "left_out": found.left}


def restored_json(found: Restored, file: str) -> dict[str, Any]:
    """What came of a restore, for scripts; bytes as integers."""
    own = {"file": file, "key": found.key, "seconds": round(found.seconds, 3)}
    left = [_one(part) for part in found.left]
    return {**own, "caches": [_one(part) for part in found.parts], "not_restored": left}


def _rows(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        name = part.name if part.kind == "dir" else f"mount {part.name}"
        yield f"{name:<36}{format_size(part.bytes):>13} {_files(part):8d} files"


def _one(part: Part) -> dict[str, Any]:
    return {"kind": part.kind, "name": part.name, "bytes": part.bytes, "files": _files(part)}


def _files(part: Part) -> int:
    return sum(entry.kind == "f" for entry in part.entries)
