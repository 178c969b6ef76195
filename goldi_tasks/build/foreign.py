"""What a build for other platforms needs before it begins: that they run here."""

from collections.abc import Mapping
from typing import Any

from goldi_tasks import emulation, run
from goldi_tasks.build import control
from goldi_tasks.errors import NoEngine
from goldi_tasks.plan import bake as plan
from goldi_tasks.plan import dockerfile, platforms
from goldi_tasks.settings import Settings


def check(settings: Settings, wanted: plan.Wanted, printed: Mapping[str, Any]) -> None:
    """Raises NoEngine where a platform of `wanted` cannot run here, and something would have to on it.

    `printed` is what `bake --print` shows.
    """
    if run.is_dry():
        return
    lacking = {row.platform: row for row in platforms.rows(emulation.ask()) if row.runs == "no"}
    missing = [one for one in wanted.platforms if one in lacking]
    targets = printed.get("target", {"": {}}).values()
    if missing and any(_runs(settings, target) for target in targets):
        why = lacking[missing[0]].wrong
        raise NoEngine(f"{' and '.join(missing)} cannot run here: {why}", platforms.SET_UP)


def _runs(settings: Settings, target: Mapping[str, Any]) -> bool:
    """Whether a step of the target runs on the platform that is built for, or it cannot be said that none does."""
    try:
        stages = dockerfile.parse(control.find(settings.project, target).text, target.get("args", {}))
    except (OSError, control.NotUnderstood):
        return True
    return stages is None or dockerfile.emulates(stages, target.get("target", ""))
