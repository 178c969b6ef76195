"""Why a build failed, where it was not a step of the Dockerfile and we know the remedy better than buildx does."""

import re
from collections.abc import Iterable

from goldi_tasks.bake.progress.running_build import Build
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


def found(build: Build, text: str) -> GoldiError | None:
    """What is wrong, by what was heard of a `build` of the Dockerfile `text`; None if buildx has said it best."""
    said = [*build.said, *_words(build)]
    if any(map(is_disk_full, said)):
        remedy = "See `docker system df` and `inv cache.status`, and make room; what was built is still there"
        return NoSpace("a disk is full: the engine's, or the one that a step writes to", remedy)
    if refused := registry_errors.read(said):
        return RegistryFailed(refused.problem, refused.remedy)
    if problem := _of_dockerfile(said, text):
        return problem
    return _dead(build.boot_failure) if build.boot_failure else _gone()


def _of_dockerfile(said: Iterable[str], text: str) -> GoldiError | None:
    """Return what is wrong with the Dockerfile `text`, or with the app in it."""
    if stage := next(filter(None, map(_STAGE.search, said)), None):
        known = parse.stage_names(text)
        return UnknownName(f"the Dockerfile has no stage '{stage[1]}'", did_you_mean(stage[1], known).capitalize())
    if smoke := next(filter(None, map(_SMOKE.match, said)), None):
        remedy = "Lock what is missing or mend the module; `smoke-test = false` in [tool.goldi] builds it all the same"
        return CommandFailed(f"the image could not start: {smoke[1]}", 1, remedy)
    return None


def _gone() -> GoldiError | None:
    """What is wrong with the engine, if it does not answer any more."""
    try:
        system_info.engine_info()
    except NoEngine:
        return NoEngine("the engine stopped during the build", "Start it, or run `inv engine.up`, and build again")
    except (NoDocker, NoPermission) as error:
        return error
    return None


def _dead(said: str) -> GoldiError:
    """Return the error of a builder that did not start."""
    # Imported here: only a failure has a use for it.
    from goldi_tasks.bake.builders import default

    try:
        return default.dead(system_info.docker().container, said)
    except (NoDocker, NoEngine, NoPermission) as error:
        return error


def _words(build: Build) -> Iterable[str]:
    """The last output of the steps that failed, and their errors."""
    return (line for step in build.failures for line in (*step.tail, step.now.error))
