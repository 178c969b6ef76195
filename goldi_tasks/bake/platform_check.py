"""Check before a build for other platforms that this machine can emulate them."""

from collections.abc import Mapping
from typing import Any

from goldi_tasks import process
from goldi_tasks.bake import build_request, control_files
from goldi_tasks.dockerfile import parse
from goldi_tasks.engine import emulation, platforms
from goldi_tasks.errors import NoEngine
from goldi_tasks.settings import Settings


def check(settings: Settings, request: build_request.BuildRequest, printed: Mapping[str, Any]) -> None:
    """Check the platforms of `request` for which a step has to be executed. Raises NoEngine if one cannot run here.

    `printed` is the output of `bake --print`.
    """
    if process.is_dry():
        return
    not_runnable = {row.platform: row for row in platforms.rows(emulation.ask()) if row.runs == "no"}
    missing = [platform for platform in request.platforms if platform in not_runnable]
    targets = printed.get("target", {"": {}}).values()
    if missing and any(_runs_steps(settings, target) for target in targets):
        reason = not_runnable[missing[0]].wrong
        raise NoEngine(f"{' and '.join(missing)} cannot run here: {reason}", platforms.SET_UP)


def _runs_steps(settings: Settings, target: Mapping[str, Any]) -> bool:
    """Return whether a step of the target runs on the target platform; true also if that cannot be determined."""
    try:
        stages = parse.parse(control_files.find(settings.project, target).text, target.get("args", {}))
    except (OSError, control_files.NotUnderstood):
        return True
    return stages is None or parse.emulates(stages, target.get("target", ""))
