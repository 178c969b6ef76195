"""Run `cache.prune`: measure, print what would be removed and why, remove it, print what was freed."""

import json as json_
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout

from goldi_tasks import settings as project_settings
from goldi_tasks import units
from goldi_tasks.errors import GoldiError, Interrupted
from goldi_tasks.maintenance import clear_caches, tool_images
from goldi_tasks.maintenance.prune import execute, policy, prune_report
from goldi_tasks.maintenance.usage import measure
from goldi_tasks.settings import Settings


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
        _print_lines(prune_report.format_planned(plan.rows))
        interrupted = True
        try:
            if plan.rows and not dry:
                print(flush=True)
                plan.act(
                    lambda row: _print_lines(prune_report.format_finished(row)),
                    lambda line: _print_lines([f"goldi: {line}"]),
                )
            interrupted = False
        except KeyboardInterrupt:
            raise Interrupted from None
        finally:
            over = 0 if dry or interrupted else policy.compute_excess(plan.sizes, request, plan.rows)
            _print_lines(prune_report.total(plan, over, dry=dry))
            if json:
                print(
                    json_.dumps(prune_report.as_json(plan, over, dry=dry, interrupted=interrupted), indent=2), file=out
                )
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
