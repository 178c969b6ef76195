"""Run `cache.prune`: measure, print what would be removed and why, remove it, print what was freed."""

import json as json_
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import Any

from goldi_tasks import settings as project_settings
from goldi_tasks import units
from goldi_tasks.errors import GoldiError, Interrupted
from goldi_tasks.invocation import as_typed
from goldi_tasks.maintenance import clear_caches, tool_images
from goldi_tasks.maintenance.clear_report import escape_unprintable
from goldi_tasks.maintenance.prune import execute, policy
from goldi_tasks.maintenance.prune.execute import Prune, freed
from goldi_tasks.maintenance.prune.policy import PruneRow
from goldi_tasks.maintenance.usage import measure, usage_report
from goldi_tasks.settings import Settings
from goldi_tasks.units import format_size


def prune(
    settings: Settings | None,
    age: str | None,
    size: str | None,
    names: tuple[str, ...],
    *,
    builder: bool,
    dry: bool,
    json: bool,
) -> None:
    """Prune the caches to the limits `age` and `size`, None for those of the settings, and print a report.

    Raises SettingsError, UnknownName, CacheRefused where something could not be pruned, Interrupted.
    """
    limit_settings = settings or project_settings.outside()
    limits = policy.Limits(
        limit_settings.max_age if age is None else units.age(age, "--age"),
        limit_settings.max_size if size is None else units.size(size, "--size"),
    )
    cache_names = tuple(cache.name for cache in clear_caches.select_caches(names, every=not names)) if names else ()
    request = policy.PruneRequest(limits, cache_names, settings.key if settings else "")
    out = sys.stdout
    # With --json only JSON goes to standard output.
    with redirect_stdout(sys.stderr if json else out):
        with measure.progress() as report_count:
            plan = execute.plan(
                limit_settings.roots, request, lambda cache: tool_images.with_tool(settings, cache), report_count
            )
        if builder and not names:
            _add_builder(plan)
        _print_lines(format_planned(plan.rows))
        interrupted = True
        try:
            if plan.rows and not dry:
                print(flush=True)
                plan.act(
                    lambda row: _print_lines(format_finished(row)),
                    lambda line: _print_lines([f"goldi: {line}"]),
                )
            interrupted = False
        except KeyboardInterrupt:
            raise Interrupted from None
        finally:
            over = 0 if dry or interrupted else policy.compute_excess(plan.sizes, request, plan.rows)
            _print_lines(total(plan, over, dry=dry))
            if json:
                print(json_.dumps(as_json(plan, over, dry=dry, interrupted=interrupted), indent=2), file=out)
    if not dry and (failure := execute.failure(plan.rows)):
        raise failure


def _add_builder(plan: execute.Prune) -> None:
    """Insert the row of the build cache, or add a remark why there is none."""
    try:
        if row := execute.builder(plan.request):
            plan.rows.insert(0, row)
    except GoldiError as error:
        plan.remarks.append(f"the build cache is not pruned: {error.problem}")


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)


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
