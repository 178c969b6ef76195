"""Show which builder builds; make the one that the settings choose, or the guide's `goldilocks-builder`, anew."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from goldi_tasks import process
from goldi_tasks.bake.builders import builder_model, configured, default
from goldi_tasks.bake.builders.builder_model import Builder
from goldi_tasks.client import system_info
from goldi_tasks.client.system_info import BUILDER, Docker
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, GoldiError, NoEngine, NotAProject
from goldi_tasks.invocation import as_typed
from goldi_tasks.settings import BAKE_FILE, Settings, find_project

_CREATE = ("docker", "buildx", "create", "--name", BUILDER, "--driver", "docker-container", "--bootstrap")
# What it collects, beside the bake file; plain `docker buildx create` takes it too.
CONFIG = BAKE_FILE.with_name("buildkitd.toml")
_STORE = "Enable the containerd image store, or load moby/buildkit:buildx-stable-1 into the engine"


def found(settings: Settings) -> dict[str, Any]:
    """Which builder builds, for scripts: whose choice it is, whether it answers, and what it can do.

    Raises NoDocker, NoEngine, NoPermission where there is no current builder, SettingsError.
    """
    builder = configured.chosen(settings)
    if not builder:
        docker = system_info.docker()
        told = {"chosen": False, "driver": docker.driver, "endpoint": "", **_answers(docker), **_guides(docker)}
        try:
            default.check(docker)
        except NoEngine as error:
            told |= {"answers": False, "why": str(error)}
        return told
    told = {"chosen": True, "driver": builder.driver, "endpoint": builder.endpoint, "name": builder.name}
    told |= {"fallback": settings.builder_fallback}
    try:
        configured.ready(settings, builder)
        with process.led(builder.env):
            return told | _answers(configured.docker(builder))
    except GoldiError as error:
        return told | {"answers": False, "why": str(error)}


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Return the same for people."""
    does = "exports local caches" if told.get("exports_local") else "exports inline caches only"
    if failure(told):
        return
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


def failure(told: Mapping[str, Any]) -> NoEngine | None:
    """Return what is wrong where nothing builds."""
    return None if told["answers"] or told.get("fallback") else NoEngine(told["why"])


def create(settings: Settings, start: Path) -> None:
    """Create and start the builder. Raises NoEngine where its image cannot be had, SettingsError."""
    if builder := configured.chosen(settings):
        return _ready(settings, builder)
    docker = system_info.docker()
    if BUILDER in docker.builders:
        default.check(replace(docker, builder=BUILDER))
        print(f"{BUILDER} is there already")
        return None
    try:
        _create(start)
    except CommandFailed as error:
        instead = "It is not needed: this engine keeps the build caches" if docker.exports_local else _STORE
        raise NoEngine(f"{BUILDER} cannot be started: {builder_model.boot_failure(error.problem)}", instead) from error


def reset(settings: Settings, start: Path) -> None:
    """Remove the builder, with the cache in it, and create it again; go back to the engine's own where none starts.

    Raises SettingsError, NoEngine where not even that is possible.
    """
    if builder := configured.chosen(settings):
        configured.remove(settings)
        return _ready(settings, builder)
    docker = system_info.docker()
    if BUILDER in docker.builders:
        process.live(Command(("docker", "buildx", "rm", BUILDER)))
        system_info.forget()
    try:
        _create(start, chosen=docker.current == BUILDER)
    except CommandFailed as error:
        print(f"{BUILDER} cannot be started and is removed: {builder_model.boot_failure(error.problem)}")
        _go_back()


def _ready(settings: Settings, builder: Builder) -> None:
    configured.ready(settings, builder)
    if not process.is_dry():
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
    if process.is_dry():
        process.live(command)
        return
    print(f"goldi: starting {BUILDER}", flush=True)
    try:
        process.ask(command, configured.START)
    except CommandFailed:
        with suppress(CommandFailed):
            process.ask(Command(("docker", "buildx", "rm", "--force", BUILDER)), configured.END)
        raise


def _config(start: Path) -> tuple[str, ...]:
    try:
        config = find_project(start) / CONFIG
    except NotAProject:
        return ()
    return ("--buildkitd-config", str(config)) if config.is_file() else ()


def _go_back() -> None:
    """Let the engine's own builder build where the current one does not start. Raises NoEngine, CommandFailed."""
    docker = system_info.docker()
    try:
        default.check(docker)
        builder, left = docker.container, ""
    except NoEngine as error:
        builder, left = "", f"; {docker.current} is left alone"
        if name := os.environ.get("BUILDX_BUILDER"):
            raise NoEngine(error.problem, f"Unset BUILDX_BUILDER, which chooses {name}") from error
    if not builder:
        context = process.capture(Command(("docker", "context", "show"))).strip()
        process.capture(Command(("docker", "buildx", "use", context)))
        builder = f"the engine's own builder (`docker buildx use {context}`)"
        system_info.forget()
    caches = "keeps the build caches" if system_info.docker().exports_local else f"exports no local cache. {_STORE}"
    print(f"builds use {builder}, which {caches}{left}")
