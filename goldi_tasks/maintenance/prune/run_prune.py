"""Prune step by step: measure, show what would go and why, do it, print what was freed."""

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
    """Prune the caches.

    Raises SettingsError, UnknownName, CacheRefused where something could not be pruned, Interrupted.
    """
    chosen = settings or project_settings.outside()
    limits = policy.Limits(
        chosen.max_age if age is None else units.age(age, "--age"),
        chosen.max_size if size is None else units.size(size, "--size"),
    )
    known = tuple(cache.name for cache in clear_caches.chosen(names, every=not names)) if names else ()
    asked = policy.Asked(limits, known, settings.key if settings else "")
    out = sys.stdout
    # What is said on the way is not for scripts.
    with redirect_stdout(sys.stderr if json else out):
        with measure.progress() as tell:
            plan = execute.plan(chosen.roots, asked, lambda cache: tool_images.with_tool(settings, cache), tell)
        if builder and not names:
            _builder(plan)
        _say(prune_report.before(plan.rows))
        interrupted = True
        try:
            if plan.rows and not dry:
                print(flush=True)
                plan.act(lambda row: _say(prune_report.after(row)), lambda whom: _say([f"goldi: {whom}"]))
            interrupted = False
        except KeyboardInterrupt:
            raise Interrupted from None
        finally:
            over = 0 if dry or interrupted else policy.over(plan.found, asked, plan.rows)
            _say(prune_report.total(plan, over, dry=dry))
            if json:
                print(
                    json_.dumps(prune_report.as_json(plan, over, dry=dry, interrupted=interrupted), indent=2), file=out
                )
    if not dry and (failure := execute.failure(plan.rows)):
        raise failure


def _builder(plan: execute.Prune) -> None:
    """The builder's row, where there is one."""
    try:
        if row := execute.builder(plan.asked):
            plan.rows.insert(0, row)
    except GoldiError as error:
        plan.remarks.append(f"the build cache is not pruned: {error.problem}")


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)
