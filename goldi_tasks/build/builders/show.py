"""Show which builder builds; make the one that the settings choose, or the guide's `goldilocks-builder`, anew."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from goldi_tasks import probe, run
from goldi_tasks.build.builders import current, elsewhere
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, GoldiError, NoEngine, NotAProject
from goldi_tasks.invocation import as_typed
from goldi_tasks.plan import builder as plan
from goldi_tasks.plan.builder import Builder
from goldi_tasks.probe import BUILDER, Docker
from goldi_tasks.settings import BAKE_FILE, Settings, find_project

_CREATE = ("docker", "buildx", "create", "--name", BUILDER, "--driver", "docker-container", "--bootstrap")
# What it collects, beside the bake file; plain `docker buildx create` takes it too.
CONFIG = BAKE_FILE.with_name("buildkitd.toml")
_STORE = "Enable the containerd image store, or load moby/buildkit:buildx-stable-1 into the engine"


def found(settings: Settings) -> dict[str, Any]:
    """Which builder builds, for scripts: whose choice it is, whether it answers, and what it can do.

    Raises NoDocker, NoEngine, NoPermission where there is no current builder, SettingsError.
    """
    builder = elsewhere.chosen(settings)
    if not builder:
        docker = probe.docker()
        told = {"chosen": False, "driver": docker.driver, "endpoint": "", **_answers(docker), **_guides(docker)}
        try:
            current.check(docker)
        except NoEngine as error:
            told |= {"answers": False, "why": str(error)}
        return told
    told = {"chosen": True, "driver": builder.driver, "endpoint": builder.endpoint, "name": builder.name}
    told |= {"fallback": settings.builder_fallback}
    try:
        elsewhere.ready(settings, builder)
        with run.led(builder.env):
            return told | _answers(elsewhere.docker(builder))
    except GoldiError as error:
        return told | {"answers": False, "why": str(error)}


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """The same for people. Raises NoEngine where nothing builds."""
    does = "exports local caches" if told.get("exports_local") else "exports inline caches only"
    if not told["answers"] and not told.get("fallback"):
        raise NoEngine(told["why"])
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
    yield f"{told['why']} Until then builds are done by the current builder instead."


def create(settings: Settings, start: Path) -> None:
    """Create and start the builder. Raises NoEngine where its image cannot be had, SettingsError."""
    if builder := elsewhere.chosen(settings):
        return _ready(settings, builder)
    docker = probe.docker()
    if BUILDER in docker.builders:
        current.check(replace(docker, builder=BUILDER))
        print(f"{BUILDER} is there already")
        return None
    try:
        _create(start)
    except CommandFailed as error:
        instead = "It is not needed: this engine keeps the build caches" if docker.exports_local else _STORE
        raise NoEngine(f"{BUILDER} cannot be started: {plan.boot_failure(error.problem)}", instead) from error


def reset(settings: Settings, start: Path) -> None:
    """Remove the builder, with the cache in it, and create it again; go back to the engine's own where none starts.

    Raises SettingsError, NoEngine where not even that is possible.
    """
    if builder := elsewhere.chosen(settings):
        elsewhere.remove(settings)
        return _ready(settings, builder)
    docker = probe.docker()
    if BUILDER in docker.builders:
        run.live(Command(("docker", "buildx", "rm", BUILDER)))
        probe.forget()
    try:
        _create(start, chosen=docker.current == BUILDER)
    except CommandFailed as error:
        print(f"{BUILDER} cannot be started and is removed: {plan.boot_failure(error.problem)}")
        _go_back()


def _ready(settings: Settings, builder: Builder) -> None:
    elsewhere.ready(settings, builder)
    if not run.is_dry():
        print(f"{builder} answers")


def _answers(docker: Docker) -> dict[str, Any]:
    engine = ".".join(map(str, docker.engine))
    return {"answers": True, "engine": engine, "store": docker.store, "exports_local": docker.exports_local}


def _guides(docker: Docker) -> dict[str, Any]:
    return {BUILDER: BUILDER in docker.builders}


def _create(start: Path, *, chosen: bool = False) -> None:
    """Run the guide's command, with what keeps cache mounts where the project around `start` has that.

    It becomes the current builder if `chosen`. A builder that does not start is removed. Raises CommandFailed.
    """
    command = Command((*_CREATE, *(("--use",) if chosen else ()), *_config(start)))
    if run.is_dry():
        run.live(command)
        return
    print(f"goldi: starting {BUILDER}", flush=True)
    try:
        run.ask(command, elsewhere.START)
    except CommandFailed:
        with suppress(CommandFailed):
            run.ask(Command(("docker", "buildx", "rm", "--force", BUILDER)), elsewhere.END)
        raise


def _config(start: Path) -> tuple[str, ...]:
    try:
        config = find_project(start) / CONFIG
    except NotAProject:
        return ()
    return ("--buildkitd-config", str(config)) if config.is_file() else ()


def _go_back() -> None:
    """Let the engine's own builder build where the current one does not start. Raises NoEngine, CommandFailed."""
    docker = probe.docker()
    try:
        current.check(docker)
        builder, left = docker.container, ""
    except NoEngine as error:
        builder, left = "", f"; {docker.current} is left alone"
        if name := os.environ.get("BUILDX_BUILDER"):
            raise NoEngine(error.problem, f"Unset BUILDX_BUILDER, which chooses {name}") from error
    if not builder:
        context = run.capture(Command(("docker", "context", "show"))).strip()
        run.capture(Command(("docker", "buildx", "use", context)))
        builder = f"the engine's own builder (`docker buildx use {context}`)"
        probe.forget()
    caches = "keeps the build caches" if probe.docker().exports_local else f"exports no local cache. {_STORE}"
    print(f"builds use {builder}, which {caches}{left}")
