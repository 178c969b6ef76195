"""Decide whether a cache export is worth its time: an export takes seconds even where little is new."""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from goldi_tasks.bake.progress.running_build import RunningBuild

# Seconds of executed steps from which on an export is worth it: running fewer again is faster than export and import.
# In CI nothing else outlives the job, so every job would run these steps: an export must save only what it costs.
_MIN_SECONDS, _MIN_SECONDS_IN_CI = 5.0, 2.0


def should_export_local(
    build: RunningBuild, directories: Sequence[Path], environ: Mapping[str, str] = os.environ
) -> bool:
    """Return whether to export the local caches of `build` to `directories`.

    Always true where a directory has no cache yet; in CI (`CI` is set) fewer seconds of steps are enough.
    """
    if any(not (directory / "index.json").is_file() for directory in directories):
        return True
    return _executed_seconds(build) >= _min_seconds(environ)


def should_export_remote(
    build: RunningBuild, own_refs: Collection[str], environ: Mapping[str, str] = os.environ
) -> bool:
    """Return whether to export the caches of `build` to a remote store; `own_refs` are the scopes of its branch.

    Always true where one of these does not exist yet, or where the store does not report it (no `own_refs`).
    """
    imported = {name for name, error in build.imports.items() if not error}
    return not own_refs or not imported.issuperset(own_refs) or _executed_seconds(build) >= _min_seconds(environ)


def _executed_seconds(build: RunningBuild) -> float:
    return sum(step.seconds() for step in build.counted if not step.now.cached)


def _min_seconds(environ: Mapping[str, str]) -> float:
    return _MIN_SECONDS_IN_CI if environ.get("CI") else _MIN_SECONDS
