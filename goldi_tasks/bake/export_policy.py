"""When a local cache is worth its export, which takes seconds even where little is new."""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from goldi_tasks.bake.progress.running_build import Build

# Seconds of steps that were run. Less is run again in less than it takes to export and import it. Where nothing else
# outlives the job the same steps would be run by every job, and what an export takes is what it must save.
_WORTH, _WORTH_IN_CI = 5.0, 2.0


def worth(build: Build, directories: Sequence[Path], environ: Mapping[str, str] = os.environ) -> bool:
    """Whether to export into `directories` what `build` has run.

    Always where there is nothing yet; sooner in CI (`CI` is set), where nothing else outlives the job.
    """
    if any(not (directory / "index.json").is_file() for directory in directories):
        return True
    return _ran(build) >= _least(environ)


def worth_sending(build: Build, own: Collection[str], environ: Mapping[str, str] = os.environ) -> bool:
    """Whether to export what `build` has run to a store that other machines read, with the scopes `own` of its branch.

    Always where one of those is not there yet, or nobody can say so.
    """
    there = {name for name, error in build.imports.items() if not error}
    return not own or not there.issuperset(own) or _ran(build) >= _least(environ)


def _ran(build: Build) -> float:
    return sum(step.seconds() for step in build.counted if not step.now.cached)


def _least(environ: Mapping[str, str]) -> float:
    return _WORTH_IN_CI if environ.get("CI") else _WORTH
