"""Find the cause of a failed build where it is not a step of the Dockerfile, and name a remedy."""

import re
from collections.abc import Iterable

from goldi_tasks.bake.progress.running_build import RunningBuild
from goldi_tasks.client import registry_errors, system_info
from goldi_tasks.dockerfile import parse
from goldi_tasks.errors import (
    CommandFailed,
    GoldiError,
    NoDocker,
    NoEngine,
    NoPermission,
    NoSpace,
    RegistryFailed,
    UnknownName,
    did_you_mean,
    is_disk_full,
)

_SMOKE = re.compile(r"^smoke test: (.*)$")
_STAGE = re.compile(r"target stage \"?([^\"]+?)\"? could not be found")


def find_cause(build: RunningBuild, text: str) -> GoldiError | None:
    """Return the error for the output of a failed `build` of the Dockerfile `text`; None if buildx's message is enough.

    It may ask the engine whether it still answers.
    """
    output = [*build.output, *_failure_lines(build)]
    if any(map(is_disk_full, output)):
        remedy = "Look at `docker system df` and `inv cache.status` and free space; what was built is kept"
        return NoSpace("a disk is full: the engine's, or the one that a step writes to", remedy)
    if registry_error := registry_errors.read(output):
        return RegistryFailed(registry_error.problem, registry_error.remedy)
    if error := _dockerfile_error(output, text):
        return error
    return _builder_error(build.boot_failure) if build.boot_failure else _engine_error()


def _dockerfile_error(output: Iterable[str], text: str) -> GoldiError | None:
    """Return the error of a missing stage in the Dockerfile `text`, or of the app's smoke test."""
    if stage := next(filter(None, map(_STAGE.search, output)), None):
        stages = parse.stage_names(text)
        return UnknownName(f"the Dockerfile has no stage '{stage[1]}'", did_you_mean(stage[1], stages).capitalize())
    if smoke := next(filter(None, map(_SMOKE.match, output)), None):
        remedy = "Lock the missing package or fix the module; `smoke-test = false` in [tool.goldi] skips the test"
        return CommandFailed(f"the image could not start: {smoke[1]}", 1, remedy)
    return None


def _engine_error() -> GoldiError | None:
    """Return the error of an engine that no longer answers; None if it answers."""
    try:
        system_info.engine_info()
    except NoEngine:
        return NoEngine("the engine stopped during the build", "Start it, or run `inv engine.up`, and build again")
    except (NoDocker, NoPermission) as error:
        return error
    return None


def _builder_error(output: str) -> GoldiError:
    """Return the error of a builder that did not start and printed `output`."""
    # Imported here: only a failed build needs it.
    from goldi_tasks.bake.builders import default

    try:
        return default.start_error(system_info.docker().container, output)
    except (NoDocker, NoEngine, NoPermission) as error:
        return error


def _failure_lines(build: RunningBuild) -> Iterable[str]:
    """Return the last lines of output of the failed steps, and their errors."""
    return (line for step in build.failures for line in (*step.tail, step.now.error))
