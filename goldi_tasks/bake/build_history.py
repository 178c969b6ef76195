"""Write and read the history: one small JSON file for each build in the user's state directory, the newest 50."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from goldi_tasks import state
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.bake.progress.running_build import RunningBuild
from goldi_tasks.bake.summary import Summary
from goldi_tasks.command import mask
from goldi_tasks.errors import UnknownName, did_you_mean
from goldi_tasks.settings import Settings

KEPT = 50
# Number of steps, and characters of a name and of an error: with these a record has less than 20 kB.
_MAX_STEPS, _MAX_NAME, _MAX_ERROR = 60, 80, 300


def write_record(settings: Settings, request: BuildRequest, build: RunningBuild, summary: Summary, began: int) -> None:
    """Write the record of a build that began at `began`, in nanoseconds since the epoch.

    If the directory cannot be written, that is only a warning.
    """
    name = f"{datetime.fromtimestamp(began / 1e9, UTC):%Y%m%d-%H%M%S-%f}"[:-3] + f"-{os.urandom(2).hex()}"
    try:
        state.write(
            _folder(settings) / f"{name}.json",
            json.dumps(_record(settings, request, build, summary, began), ensure_ascii=False),
        )
        for old in _files(settings)[KEPT:]:
            old.unlink(missing_ok=True)
    except OSError as error:
        print(f"goldi: this build is not in the history: {error}", file=sys.stderr)


def read_records(settings: Settings, number: int) -> Iterator[dict[str, Any]]:
    """Return the last `number` records, newest first, each with its `id`; files that are no records are skipped."""
    for file in _files(settings)[: max(0, number)]:
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            # Another build may have deleted it just now.
            continue
        if isinstance(record, dict):
            yield {"id": file.stem, **record}


def find_record(settings: Settings, name: str) -> dict[str, Any]:
    """Return the record with the id `name`; a unique part of an id is enough. Raises UnknownName."""
    records = {record["id"]: record for record in read_records(settings, KEPT)}
    matches = [record for key, record in records.items() if name and name in key]
    if name in records or len(matches) == 1:
        return records.get(name) or matches[0]
    remedy = did_you_mean(name, list(records)).capitalize() if records else "Build something first"
    raise UnknownName(f"no build '{name}' in the history", remedy)


def format_records(records: list[dict[str, Any]]) -> Iterator[str]:
    """Format a line for each record: id, local time, result, seconds, cached and all steps, targets."""
    for record in records:
        try:
            when = datetime.fromisoformat(record["when"]).astimezone()
            steps = f"{record['cached']}/{record['counted']} cached"
            duration = f"{record['seconds']:7.1f} s"
            row = f"{record['id']}  {when:%Y-%m-%d %H:%M:%S}  {record['result']:<11}  {duration}  {steps:<13}"
            yield f"{row}  {' '.join(record['targets'])}"
        except (KeyError, TypeError, ValueError):
            # The record of another version.
            yield f"{record['id']}  ?"


def _record(
    settings: Settings, request: BuildRequest, build: RunningBuild, summary: Summary, began: int
) -> dict[str, Any]:
    steps = [step for step in build.steps.values() if step.stage != "internal"]
    # If there are too many, cached steps are dropped first.
    steps = sorted(steps, key=lambda step: (not step.failed, step.now.cached, step.number))[:_MAX_STEPS]
    hide = partial(_hide, request)
    return {
        "when": datetime.fromtimestamp(began / 1e9, UTC).isoformat(timespec="seconds"),
        **asdict(summary),
        "steps": [
            {
                "digest": step.now.digest,
                "name": hide(step.title)[:_MAX_NAME],
                "stage": step.stage,
                "cached": step.now.cached,
                "seconds": round(step.seconds(), 3),
                **({"error": hide(step.now.error)[:_MAX_ERROR]} if step.failed else {}),
            }
            for step in sorted(steps, key=lambda step: step.number)
        ],
        "counted": summary.steps,
        "longest": [[seconds, hide(name)[:_MAX_NAME]] for seconds, name in summary.longest],
        # These two keys have been in the records since the first release.
        "settings": {key: mask(str(value)) for key, value in vars(settings).items()},
        "wanted": {
            **{key: value for key, value in vars(request).items() if key not in ("targets", "sets")},
            # Without the values, which may be secrets.
            "sets": [text.partition("=")[0] for text in request.sets],
        },
    }


def _hide(request: BuildRequest, text: str) -> str:
    """Mask passwords and the build arguments of `--set` in `text`: the names of steps contain arguments."""
    values = {text.partition("=")[2] for text in request.sets if ".args." in text}
    # Shorter values occur in ordinary words.
    for value in sorted((value for value in values if len(value) > 3), key=len, reverse=True):
        text = text.replace(value, "***")
    return mask(text)


def _folder(settings: Settings) -> Path:
    return state.folder("builds", settings.key)


def _files(settings: Settings) -> list[Path]:
    """Return the files of the records, newest first; their names begin with the time."""
    folder = _folder(settings)
    return sorted((file for file in folder.glob("*.json") if not file.name.startswith(".")), reverse=True)
