"""Describe the builder that builds; create and reset the settings' builder, or the guide's `goldilocks-builder`."""

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
# The garbage collection of a created builder; the file lies beside the bake file, and `docker buildx create` takes it.
CONFIG = BAKE_FILE.with_name("buildkitd.toml")
_STORE = "Enable the containerd image store, or load moby/buildkit:buildx-stable-1 into the engine"


def describe_builder(settings: Settings) -> dict[str, Any]:
    """Describe the builder that builds, for JSON: who chose it, whether it answers, and what it can do.

    Raises SettingsError, and where there is no current builder NoDocker, NoEngine, NoPermission.
    """
    builder = configured.load_builder(settings)
    if not builder:
        docker = system_info.docker()
        status = {"chosen": False, "driver": docker.driver, "endpoint": ""}
        status |= _engine_fields(docker) | _guide_fields(docker)
        try:
            default.check(docker)
        except NoEngine as error:
            status |= {"answers": False, "why": str(error)}
        return status
    status = {"chosen": True, "driver": builder.driver, "endpoint": builder.endpoint, "name": builder.name}
    status |= {"fallback": settings.builder_fallback}
    try:
        configured.prepare_builder(settings, builder)
        with process.add_environment(builder.env):
            return status | _engine_fields(configured.docker(builder))
    except GoldiError as error:
        return status | {"answers": False, "why": str(error)}


def format_description(status: Mapping[str, Any]) -> Iterator[str]:
    """Format the status of the builder as sentences; none where `failure` returns an exception."""
    if failure(status):
        return
    exports = "exports local caches" if status.get("exports_local") else "exports inline caches only"
    if not status["chosen"]:
        driver, store = status["driver"], status["store"]
        yield f"the current builder has the {driver} driver, on the {store} image store: it {exports}"
        advice = "not needed" if status["exports_local"] else as_typed("create it with `inv build.builder --create`")
        yield f"{BUILDER} {'exists' if status[BUILDER] else f'does not exist: {advice}'}"
        return
    name = status["endpoint"] or status["name"]
    yield f"the settings choose the builder {name}, of the {status['driver']} driver"
    if status["answers"]:
        engine = "its own engine" if status["driver"] == "docker" else "this machine's engine"
        version, store = status["engine"], status["store"]
        yield f"it answers and {exports}; images are loaded into {engine} ({version}, {store} image store)"
        return
    yield f"{status['why']} Until then the current builder is used."


def failure(status: Mapping[str, Any]) -> NoEngine | None:
    """Return the exception for the `status` of a builder that does not answer and has no fallback, else None."""
    return None if status["answers"] or status.get("fallback") else NoEngine(status["why"])


def create(settings: Settings, start: Path) -> None:
    """Create and start the builder. Raises SettingsError, and NoEngine if it does not start."""
    if builder := configured.load_builder(settings):
        return _prepare(settings, builder)
    docker = system_info.docker()
    if BUILDER in docker.builders:
        default.check(replace(docker, builder=BUILDER))
        print(f"{BUILDER} exists already")
        return None
    try:
        _create(start)
    except CommandFailed as error:
        remedy = "It is not needed: this engine keeps the build caches" if docker.exports_local else _STORE
        raise NoEngine(f"{BUILDER} cannot be started: {builder_model.boot_failure(error.problem)}", remedy) from error


def reset(settings: Settings, start: Path) -> None:
    """Remove the builder with its cache, and create it again; select the engine's own builder if it does not start.

    Raises SettingsError, and NoEngine if the engine's own builder cannot be used either.
    """
    if builder := configured.load_builder(settings):
        configured.remove(settings)
        return _prepare(settings, builder)
    docker = system_info.docker()
    if BUILDER in docker.builders:
        process.run_in_terminal(Command(("docker", "buildx", "rm", BUILDER)))
        system_info.forget()
    try:
        _create(start, use=docker.current == BUILDER)
    except CommandFailed as error:
        print(f"{BUILDER} cannot be started and was removed: {builder_model.boot_failure(error.problem)}")
        _select_engine_builder()


def _prepare(settings: Settings, builder: Builder) -> None:
    configured.prepare_builder(settings, builder)
    if not process.is_dry():
        print(f"{builder} answers")


def _engine_fields(docker: Docker) -> dict[str, Any]:
    engine = ".".join(map(str, docker.engine))
    return {"answers": True, "engine": engine, "store": docker.store, "exports_local": docker.exports_local}


def _guide_fields(docker: Docker) -> dict[str, Any]:
    return {BUILDER: BUILDER in docker.builders}


def _create(start: Path, *, use: bool = False) -> None:
    """Create the guide's builder, with the buildkitd.toml of the project that contains `start` if it has one.

    It becomes the current builder if `use` is set. A builder that does not start is removed. Raises CommandFailed.
    """
    command = Command((*_CREATE, *(("--use",) if use else ()), *_config_option(start)))
    if process.is_dry():
        process.run_in_terminal(command)
        return
    print(f"goldi: starting {BUILDER}", flush=True)
    try:
        process.capture_within(command, configured.START)
    except CommandFailed:
        with suppress(CommandFailed):
            process.capture_within(Command(("docker", "buildx", "rm", "--force", BUILDER)), configured.END)
        raise


def _config_option(start: Path) -> tuple[str, ...]:
    try:
        config = find_project(start) / CONFIG
    except NotAProject:
        return ()
    return ("--buildkitd-config", str(config)) if config.is_file() else ()


def _select_engine_builder() -> None:
    """Select the engine's own builder if the current one does not start. Raises NoEngine, CommandFailed."""
    docker = system_info.docker()
    try:
        default.check(docker)
        builder, note = docker.container, ""
    except NoEngine as error:
        builder, note = "", f"; {docker.current} was not changed"
        if name := os.environ.get("BUILDX_BUILDER"):
            raise NoEngine(error.problem, f"Unset BUILDX_BUILDER, which selects {name}") from error
    if not builder:
        context = process.capture(Command(("docker", "context", "show"))).strip()
        process.capture(Command(("docker", "buildx", "use", context)))
        builder = f"the engine's own builder (`docker buildx use {context}`)"
        system_info.forget()
    caches = "keeps the build caches" if system_info.docker().exports_local else f"exports no local cache. {_STORE}"
    print(f"builds use {builder}, which {caches}{note}")
