"""Check, create, start and remove the builder that the settings choose, and use it for a block of code."""

import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from goldi_tasks import process, state
from goldi_tasks.bake import client_state, control_files
from goldi_tasks.bake.builders import builder_model, connection
from goldi_tasks.bake.builders.builder_model import Builder
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.dockerfile import parse
from goldi_tasks.errors import CommandFailed, NoDocker, NoEngine, SettingsError, did_you_mean
from goldi_tasks.settings import Settings

# Timeouts in seconds: to answer; to start, which may pull an image or create a pod; to be removed.
ANSWER, START, END = 10.0, 180.0, 30.0


def configuration(settings: Settings) -> Path:
    """Return BUILDX_CONFIG of this project's builders, a directory that may not exist. Raises NoPermission."""
    return state.folder("builders") / settings.key


def load_builder(settings: Settings) -> Builder | None:
    """Return the builder that the settings choose, None for the current one. Raises SettingsError, NoPermission."""
    # A build with the current builder does not need the state directory.
    return builder_model.make_builder(settings, configuration(settings) if settings.builder_driver else Path())


@contextmanager
def use_builder(settings: Settings) -> Iterator[Builder | None]:
    """Set docker's environment to the builder of the settings in the block; give it, None for the current one.

    Raises SettingsError, and NoEngine where the builder is not available and `builder.fallback` is off.
    """
    builder = load_builder(settings)
    if builder:
        try:
            prepare_builder(settings, builder)
        except (NoEngine, NoDocker) as error:
            if not settings.builder_fallback:
                raise
            print(f"goldi: {error.problem}; the current builder is used instead", file=sys.stderr, flush=True)
            builder = None
    if not builder:
        yield None
        return
    # Cached answers before and after the block are those of another engine.
    system_info.forget()
    try:
        with process.add_environment(builder.env):
            yield builder
    finally:
        system_info.forget()


def docker(builder: Builder | None) -> system_info.Docker:
    """Return the engine that receives the images of `builder`; docker's environment must be set to it.

    Raises NoDocker, NoEngine, NoPermission.
    """
    if not builder:
        return system_info.docker()
    # Not `docker buildx ls`, which connects to every builder.
    info, buildx = (
        system_info.engine_info(lambda command: process.capture_within(command, ANSWER)),
        system_info.plugin_version("buildx"),
    )
    if not buildx:
        raise NoDocker("docker has no buildx plugin", "Install docker-buildx, or run `inv engine.up`")
    return replace(system_info.parse_system_info(info, buildx, ()), driver=builder.driver, builder=builder.name)


def prepare_builder(settings: Settings, builder: Builder) -> None:
    """Create `builder` if it does not exist, and wait until it answers.

    Raises SettingsError, NoDocker, NoEngine, Interrupted.
    """
    system_info.client()
    check(builder)
    try:
        if refusal := connection.refusal(builder):
            raise CommandFailed(refusal, 1)
        if not builder.is_created:
            process.capture_within(builder_model.inspect_command(builder), ANSWER)
        elif not builder_model.is_running(_inspect_or_create(settings, builder)) and not process.is_dry():
            start(builder)
    except CommandFailed as error:
        raise unavailable_error(builder, error) from error


def unavailable_error(builder: Builder, error: CommandFailed) -> NoEngine:
    """Return the exception for a builder that is not available."""
    remedy = "Check that it runs and accepts this machine, or set builder.fallback to build with the current builder"
    return NoEngine(f"{builder} is not available: {builder_model.extract_reason(error.problem)}", remedy)


def check_base_images(settings: Settings, builder: Builder, printed: Mapping[str, Any]) -> None:
    """Check that `builder` has the base images built on this machine; otherwise it would try to pull them for minutes.

    `printed` is the output of `docker buildx bake --print`. Raises NoEngine.
    """
    local = {name for name in _base_images(settings, printed) if name.startswith("localhost/")}
    missing = sorted(local if builder.is_created else local - client_state.images(local, "").keys()) if local else []
    if not missing:
        return
    remedy = "Set PYTHON_IMAGE and NODE_IMAGE to images that it can pull"
    if not builder.is_created:
        remedy += f", or load them into its engine with `docker save {' '.join(missing)}` and `docker load`"
    raise NoEngine(f"{builder} does not have {' and '.join(missing)}, which was built on this machine", remedy)


def _base_images(settings: Settings, printed: Mapping[str, Any]) -> set[str]:
    """List the base images of all targets; of a Dockerfile that is not understood there are none."""
    images = set[str]()
    for target in printed.get("target", {}).values():
        with suppress(OSError, control_files.NotUnderstood):
            text = control_files.find(settings.project, target).text
            reads = parse.find_inputs(text, target.get("args", {}), target.get("target", ""))
            images |= reads.images if reads else set()
    return images


def check(builder: Builder) -> None:
    """Check the settings against this machine: ssh, certificates, kubeconfig, docker context. Raises SettingsError."""
    if builder.scheme == "ssh" and not shutil.which("ssh"):
        raise SettingsError(
            f"builder.endpoint is {builder.endpoint}, and ssh is not installed", "Install an ssh client"
        )
    if builder.certificates:
        connection.check(Path(builder.certificates))
    if builder.driver == "kubernetes" and builder.endpoint and not Path(builder.endpoint).is_file():
        raise SettingsError(
            f"builder.endpoint {builder.endpoint} is not a file", "Set it to the path of a kubeconfig file"
        )
    if builder.context and builder.context not in (names := contexts()):
        raise SettingsError(
            f"docker knows no context '{builder.context}'", did_you_mean(builder.context, names).capitalize()
        )


def contexts() -> list[str]:
    """List the names of docker's contexts."""
    return process.capture_within(Command(("docker", "context", "ls", "--format", "{{.Name}}")), ANSWER).split()


def remove(settings: Settings) -> None:
    """Remove the builder that was created last for this project, with its cache."""
    if name := _last_name(settings):
        try:
            process.capture_within(builder_model.remove(name, configuration(settings)), END)
        except CommandFailed as error:
            # It may not exist any more, or not be reachable.
            print(
                f"goldi: {name} was not removed: {builder_model.extract_reason(error.problem)}",
                file=sys.stderr,
                flush=True,
            )


def _inspect_or_create(settings: Settings, builder: Builder) -> str:
    """Return the output of `docker buildx inspect`; create the builder if it does not exist. Raises CommandFailed."""
    if _last_name(settings) == builder.name:
        try:
            return process.capture_within(builder_model.inspect_command(builder), ANSWER)
        except CommandFailed as error:
            if error.code == process.TIMEOUT_EXIT_CODE:
                raise
            # buildx does not know it any more.
    if process.is_dry():
        process.run_in_terminal(builder_model.create(builder))
        return ""
    remove(settings)
    state.make(configuration(settings))
    process.capture_within(builder_model.create(builder), ANSWER * 2.5)
    state.write(_name_file(settings), builder.name)
    return process.capture_within(builder_model.inspect_command(builder), ANSWER)


def start(builder: Builder, title: str = "") -> None:
    """Start the builder, shown as `title`, and wait until it answers. Raises CommandFailed."""
    is_remote = builder.driver == "remote"
    if not is_remote:
        print(f"goldi: starting {title or builder}", file=sys.stderr, flush=True)
    output = process.capture_within(builder_model.inspect_command(builder, start=True), ANSWER if is_remote else START)
    if not builder_model.is_running(output):
        error = re.search(r"^Error:\s+(.*)$", output, re.MULTILINE)
        raise CommandFailed(error[1] if error else "it is not running", 1)


def _name_file(settings: Settings) -> Path:
    """Return the file that holds the name of the builder that was created last for this project."""
    return configuration(settings) / "goldi"


def _last_name(settings: Settings) -> str:
    try:
        return _name_file(settings).read_text(encoding="utf-8")
    except OSError:
        return ""
