"""Show which builder builds; make the one that the settings choose, or the guide's `goldilocks-builder`, anew."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from goldi_tasks import probe, run
from goldi_tasks.build.builders import elsewhere
from goldi_tasks.command import Command
from goldi_tasks.errors import GoldiError, NotAProject
from goldi_tasks.invocation import as_typed
from goldi_tasks.plan.builder import Builder
from goldi_tasks.probe import BUILDER, Docker
from goldi_tasks.settings import BAKE_FILE, Settings, find_project

_CREATE = ("docker", "buildx", "create", "--name", BUILDER, "--driver", "docker-container", "--bootstrap")
# What it collects, beside the bake file; plain `docker buildx create` takes it too.
CONFIG = BAKE_FILE.with_name("buildkitd.toml")


def found(settings: Settings) -> dict[str, Any]:
    """Which builder builds, for scripts: whose choice it is, whether it answers, and what it can do.

    Raises NoDocker, NoEngine, NoPermission where there is no current builder, SettingsError.
    """
    builder = elsewhere.chosen(settings)
    if not builder:
        docker = probe.docker()
        return {"chosen": False, "driver": docker.driver, "endpoint": "", **_answers(docker), **_guides(docker)}
    told = {"chosen": True, "driver": builder.driver, "endpoint": builder.endpoint, "name": builder.name}
    told |= {"fallback": settings.builder_fallback}
    try:
        elsewhere.ready(settings, builder)
        with run.led(builder.env):
            return told | _answers(elsewhere.docker(builder))
    except GoldiError as error:
        return told | {"answers": False, "why": str(error)}


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """The same for people."""
    does = "exports local caches" if told.get("exports_local") else "exports inline caches only"
    if not told["chosen"]:
        yield f"the current builder has the {told['driver']} driver, on the {told['store']} image store: it {does}"
        needed = "not needed" if told["exports_local"] else as_typed("create it with `inv build.builder --create`")
        yield f"{BUILDER} is {'there' if told[BUILDER] else f'not there: {needed}'}"
        return
    yield f"the settings choose the builder {told['endpoint'] or told['name']}, of the {told['driver']} driver"
    if told["answers"]:
        to = "on its engine" if told["driver"] == "docker" else "on this machine's engine"
        yield f"it answers and {does}; images come to be {to}, {told['engine']}, in the {told['store']} image store"
        return
    instead = "builds are done by the current builder instead" if told["fallback"] else "builds fail"
    yield f"{told['why']} Until then {instead}."


def create(settings: Settings, start: Path) -> None:
    """Create and start the builder. Raises CommandFailed where its image cannot be had, NoEngine, SettingsError."""
    if builder := elsewhere.chosen(settings):
        return _ready(settings, builder)
    if BUILDER in probe.docker().builders:
        print(f"{BUILDER} is there already")
        return None
    return run.live(_create(start))


def reset(settings: Settings, start: Path) -> None:
    """Remove the builder, with the cache in it, and create it again. Raises as `create` does."""
    if builder := elsewhere.chosen(settings):
        elsewhere.remove(settings)
        return _ready(settings, builder)
    if BUILDER in probe.docker().builders:
        run.live(Command(("docker", "buildx", "rm", BUILDER)))
    return run.live(_create(start))


def _ready(settings: Settings, builder: Builder) -> None:
    elsewhere.ready(settings, builder)
    if not run.is_dry():
        print(f"{builder} answers")


def _answers(docker: Docker) -> dict[str, Any]:
    engine = ".".join(map(str, docker.engine))
    return {"answers": True, "engine": engine, "store": docker.store, "exports_local": docker.exports_local}


def _guides(docker: Docker) -> dict[str, Any]:
    return {BUILDER: BUILDER in docker.builders}


def _create(start: Path) -> Command:
    """The guide's command, with what keeps cache mounts where the project around `start` has that."""
    try:
        config = find_project(start) / CONFIG
    except NotAProject:
        return Command(_CREATE)
    return Command((*_CREATE, "--buildkitd-config", str(config)) if config.is_file() else _CREATE)
