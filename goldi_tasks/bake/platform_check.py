"""What a build for other platforms needs before it begins: that they run here."""

from collections.abc import Mapping
from typing import Any

from goldi_tasks import process
from goldi_tasks.bake import build_request, control_files
from goldi_tasks.dockerfile import parse
from goldi_tasks.engine import emulation, platforms
from goldi_tasks.errors import NoEngine
from goldi_tasks.settings import Settings


def check(settings: Settings, request: build_request.BuildRequest, printed: Mapping[str, Any]) -> None:
    """Raises NoEngine where a platform of `request` cannot run here, and something would have to on it.

    `printed` is what `bake --print` shows.
    """
    if process.is_dry():
        return
    lacking = {row.platform: row for row in platforms.rows(emulation.ask()) if row.runs == "no"}
    missing = [one for one in request.platforms if one in lacking]
    targets = printed.get("target", {"": {}}).values()
    if missing and any(_runs(settings, target) for target in targets):
        why = lacking[missing[0]].wrong
        raise NoEngine(f"{' and '.join(missing)} cannot run here: {why}", platforms.SET_UP)


def _runs(settings: Settings, target: Mapping[str, Any]) -> bool:
    """Whether a step of the target runs on the platform that is built for, or it cannot be said that none does."""
    try:
        stages = parse.parse(control_files.find(settings.project, target).text, target.get("args", {}))
    except (OSError, control_files.NotUnderstood):
        return True
    return stages is None or parse.emulates(stages, target.get("target", ""))
