"""One record of each build, in the user's state directory: small, whole or not there, the newest of them kept."""

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
from goldi_tasks.bake.progress.running_build import Build
from goldi_tasks.bake.summary import Summary
from goldi_tasks.command import mask
from goldi_tasks.errors import UnknownName, did_you_mean
from goldi_tasks.settings import Settings

KEPT = 50
# Together they keep a record below 20 kB.
_STEPS, _NAME, _ERROR = 60, 80, 300


def keep(settings: Settings, request: BuildRequest, build: Build, found: Summary, began: int) -> None:
    """Write the record of a build that began at `began`, in nanoseconds since the epoch.

    A directory that cannot be written costs a warning.
    """
    name = f"{datetime.fromtimestamp(began / 1e9, UTC):%Y%m%d-%H%M%S-%f}"[:-3] + f"-{os.urandom(2).hex()}"
    try:
        state.write(
            _folder(settings) / f"{name}.json",
            json.dumps(_record(settings, request, build, found, began), ensure_ascii=False),
        )
        for old in _files(settings)[KEPT:]:
            old.unlink(missing_ok=True)
    except OSError as error:
        print(f"goldi: this build is not in the history: {error}", file=sys.stderr)


def history(settings: Settings, number: int) -> Iterator[dict[str, Any]]:
    """The last `number` records, newest first, each with its `id`; what is not a record is left out."""
    for file in _files(settings)[: max(0, number)]:
        try:
            read = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            # Another build may have dropped it just now.
            continue
        if isinstance(read, dict):
            yield {"id": file.stem, **read}


def one(settings: Settings, name: str) -> dict[str, Any]:
    """The record with the id `name`, or an unmistakable part of it. Raises UnknownName."""
    known = {record["id"]: record for record in history(settings, KEPT)}
    found = [record for key, record in known.items() if name and name in key]
    if name in known or len(found) == 1:
        return known.get(name) or found[0]
    remedy = did_you_mean(name, list(known)).capitalize() if known else "Build something first"
    raise UnknownName(f"no build '{name}' in the history", remedy)


def table(records: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each record: id, when it was here, result, seconds, steps from the cache of all, targets."""
    for it in records:
        try:
            when = datetime.fromisoformat(it["when"]).astimezone()
            steps = f"{it['cached']}/{it['counted']} cached"
            row = f"{it['id']}  {when:%Y-%m-%d %H:%M:%S}  {it['result']:<11}  {it['seconds']:7.1f} s  {steps:<13}"
            yield f"{row}  {' '.join(it['targets'])}"
        except (KeyError, TypeError, ValueError):
            # Of another version.
            yield f"{it['id']}  ?"


def _record(settings: Settings, request: BuildRequest, build: Build, found: Summary, began: int) -> dict[str, Any]:
    steps = [step for step in build.steps.values() if step.stage != "internal"]
    # Of too many, those that came from the cache say least.
    steps = sorted(steps, key=lambda step: (not step.failed, step.now.cached, step.number))[:_STEPS]
    hide = partial(_hide, request)
    return {
        "when": datetime.fromtimestamp(began / 1e9, UTC).isoformat(timespec="seconds"),
        **asdict(found),
        "steps": [
            {
                "digest": step.now.digest,
                "name": hide(step.title)[:_NAME],
                "stage": step.stage,
                "cached": step.now.cached,
                "seconds": round(step.seconds(), 3),
                **({"error": hide(step.now.error)[:_ERROR]} if step.failed else {}),
            }
            for step in sorted(steps, key=lambda step: step.number)
        ],
        "counted": found.steps,
        "longest": [[seconds, hide(name)[:_NAME]] for seconds, name in found.longest],
        # The key that records had since the first release.
        "settings": {key: mask(str(value)) for key, value in vars(settings).items()},
        "wanted": {
            **{key: value for key, value in vars(request).items() if key not in ("targets", "sets")},
            # What a value is set to may be a secret; that it was set is not.
            "sets": [text.partition("=")[0] for text in request.sets],
        },
    }


def _hide(request: BuildRequest, text: str) -> str:
    """`text` without passwords and without the values that were given with `--set`: a step's name holds arguments."""
    values = {text.partition("=")[2] for text in request.sets if ".args." in text}
    # What is shorter is in every other word.
    for value in sorted((value for value in values if len(value) > 3), key=len, reverse=True):
        text = text.replace(value, "***")
    return mask(text)


def _folder(settings: Settings) -> Path:
    return state.folder("builds", settings.key)


def _files(settings: Settings) -> list[Path]:
    """The records, newest first; their names begin with the time."""
    folder = _folder(settings)
    return sorted((file for file in folder.glob("*.json") if not file.name.startswith(".")), reverse=True)
