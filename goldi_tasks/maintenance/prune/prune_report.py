"""Report what `cache.prune` would remove and why, what each row freed, and the total; as lines or JSON."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from goldi_tasks.invocation import as_typed
from goldi_tasks.maintenance.clear_report import escape_unprintable
from goldi_tasks.maintenance.prune.execute import Prune, freed
from goldi_tasks.maintenance.prune.policy import PruneRow
from goldi_tasks.maintenance.usage import usage_report
from goldi_tasks.units import format_size


def format_planned(rows: Iterable[PruneRow]) -> Iterator[str]:
    """Yield the lines of each row: the bytes that it can free at most, its name, and the reason."""
    for row in rows:
        head = f"{format_size(row.bytes):>10}  {escape_unprintable(row.title)}"
        yield from _fit(head, row.why)


def format_finished(row: PruneRow) -> Iterator[str]:
    """Yield the lines of a finished row."""
    outcome = f"left alone: {row.kept}" if row.kept else f"incomplete: {row.failed}" if row.failed else "freed"
    yield from _fit(f"{format_size(row.freed):>10}  {escape_unprintable(row.title)}", escape_unprintable(outcome))


def total(plan: Prune, over: int, *, dry: bool) -> Iterator[str]:
    """Yield the last lines: remarks, what exceeds the limit, and the sum."""
    for remark in plan.remarks:
        yield as_typed(f"goldi: {remark}")
    if over:
        yield as_typed(f"goldi: the caches exceed the limit by {format_size(over)}; `inv cache.status` lists them")
    if not plan.rows:
        yield "nothing to prune"
    elif dry:
        yield f"{format_size(sum(row.bytes for row in plan.rows)):>10}  would be freed at most"
    else:
        yield f"{format_size(freed(plan.rows)):>10}  freed"


def as_json(plan: Prune, over: int, *, dry: bool, interrupted: bool) -> dict[str, Any]:
    """Return everything in plain types for scripts: sizes in bytes, times in ISO 8601."""
    return {
        "dry_run": dry,
        "interrupted": interrupted,
        "freed": freed(plan.rows),
        "over": over,
        "rows": [asdict(row) | {"last_use": usage_report.when(row.last_use)} for row in plan.rows],
        "remarks": plan.remarks,
    }


def _fit(head: str, rest: str) -> Iterator[str]:
    """Yield one line if it fits into 80 columns, else two."""
    if len(head) + len(rest) + 2 < 80:
        yield f"{head}: {rest}"
    else:
        yield head
        yield f"{'':12}{rest}"
