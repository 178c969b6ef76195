"""What a build for other platforms needs before it begins: that they run here."""

from collections.abc import Collection, Mapping
from typing import Any

from goldi_tasks import emulation, run
from goldi_tasks.build import bakefile
from goldi_tasks.errors import CommandFailed, NoEngine
from goldi_tasks.plan import bake as plan
from goldi_tasks.plan import dockerfile, platforms
from goldi_tasks.settings import Settings


def check(settings: Settings, wanted: plan.Wanted, targets: tuple[str, ...], env: Mapping[str, str]) -> None:
    """Raises NoEngine where a platform of `wanted` cannot run here, and something would have to on it."""
    if run.is_dry():
        return
    lacking = {row.platform: row for row in platforms.rows(emulation.ask()) if row.runs == "no"}
    missing = [one for one in wanted.platforms if one in lacking]
    if missing and any(_runs(settings, target) for target in _printed(settings, targets, env)):
        why = lacking[missing[0]].wrong
        raise NoEngine(f"{' and '.join(missing)} cannot run here: {why}", platforms.SET_UP)


def _printed(settings: Settings, targets: tuple[str, ...], env: Mapping[str, str]) -> Collection[Mapping[str, Any]]:
    try:
        return bakefile.printed(settings, targets, env).values()
    except (CommandFailed, ValueError, LookupError):
        return [{}]


def _runs(settings: Settings, target: Mapping[str, Any]) -> bool:
    """Whether a step of the target runs on the platform that is built for, or it cannot be said that none does."""
    file = settings.project / target.get("dockerfile", "Dockerfile")
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return True
    return dockerfile.emulates(text, target.get("target", ""), target.get("args", {})) is not False
