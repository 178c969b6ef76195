"""The builder that the settings choose: checked, made if buildx does not know it, asked, and if need be given up."""

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
from goldi_tasks.bake.builders import builder_model, certificates, connection
from goldi_tasks.bake.builders.builder_model import Builder
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.dockerfile import parse
from goldi_tasks.errors import CommandFailed, NoDocker, NoEngine, SettingsError, did_you_mean
from goldi_tasks.settings import Settings

# Seconds that a builder may take to say a word; to start, where that takes an image or a pod; to be removed.
ANSWER, START, END = 10.0, 180.0, 30.0


def configuration(settings: Settings) -> Path:
    """What buildx knows of this project's builders; it may not exist. Raises NoPermission."""
    return state.folder("builders") / settings.key


def chosen(settings: Settings) -> Builder | None:
    """The builder that the settings choose, None for the current one. Raises SettingsError, NoPermission."""
    # A build with the current builder asks nothing of the state directory.
    return builder_model.chosen(settings, configuration(settings) if settings.builder_driver else Path())


@contextmanager
def at(settings: Settings) -> Iterator[Builder | None]:
    """The builder that builds in the block, to which docker is led; None for the current one.

    Raises SettingsError, NoEngine where it cannot be had, unless the current one may stand in for it.
    """
    found = chosen(settings)
    if found:
        try:
            ready(settings, found)
        except (NoEngine, NoDocker) as error:
            if not settings.builder_fallback:
                raise
            print(f"goldi: {error.problem}: the current builder builds instead", file=sys.stderr, flush=True)
            found = None
    if not found:
        yield None
        return
    # What was asked before was asked of another engine, and so is what is asked after.
    system_info.forget()
    try:
        with process.led(found.env):
            yield found
    finally:
        system_info.forget()


def docker(found: Builder | None) -> system_info.Docker:
    """The engine that images come to, with the builder `found`; to be called where docker is led to it.

    Raises NoDocker, NoEngine, NoPermission.
    """
    if not found:
        return system_info.docker()
    # Not `buildx ls`, which asks every builder.
    info, buildx = (
        system_info.engine_info(lambda command: process.ask(command, ANSWER)),
        system_info.plugin_version("buildx"),
    )
    if not buildx:
        raise NoDocker("docker has no buildx plugin", "Install docker-buildx, or run `inv engine.up`")
    return replace(system_info.put_together(info, buildx, ()), driver=found.driver, builder=found.name)


def ready(settings: Settings, found: Builder) -> None:
    """Make `found` if need be, and see that it answers. Raises SettingsError, NoDocker, NoEngine, Interrupted."""
    system_info.client()
    check(found)
    try:
        if why := connection.refusal(found):
            raise CommandFailed(why, 1)
        if not found.made:
            process.ask(builder_model.ask(found), ANSWER)
        elif not builder_model.runs(_inspected(settings, found)) and not process.is_dry():
            start(found)
    except CommandFailed as error:
        raise lost(found, error) from error


def lost(found: Builder, error: CommandFailed) -> NoEngine:
    """What is told of a builder that cannot be had."""
    remedy = (
        "See that it runs and that this machine may reach it, or set builder.fallback to build with the current one"
    )
    return NoEngine(f"{found} is not available: {builder_model.reason(error.problem)}", remedy)


def missing(settings: Settings, found: Builder, printed: Mapping[str, Any]) -> None:
    """Raises NoEngine for a base image made on this machine that the builder cannot have: it would look for minutes.

    `printed` is what `bake --print` shows.
    """
    own = {name for name in _base_images(settings, printed) if name.startswith("localhost/")}
    lacking = sorted(own if found.made else own - client_state.images(own, "").keys()) if own else []
    if not lacking:
        return
    remedy = "Set PYTHON_IMAGE and NODE_IMAGE to names that it can pull"
    if not found.made:
        remedy += f", or send them there with `docker save {' '.join(lacking)} | docker load`, the latter led to it"
    raise NoEngine(f"{found} does not have {' and '.join(lacking)}, made on this machine", remedy)


def _base_images(settings: Settings, printed: Mapping[str, Any]) -> set[str]:
    """List the images that targets build on; none where that cannot be said, or buildx can say better what is wrong."""
    images = set[str]()
    for target in printed.get("target", {}).values():
        with suppress(OSError, control_files.NotUnderstood):
            text = control_files.find(settings.project, target).text
            reads = parse.find_reads(text, target.get("args", {}), target.get("target", ""))
            images |= reads.images if reads else set()
    return images


def check(found: Builder) -> None:
    """What of the settings only this machine can tell. Raises SettingsError."""
    if found.scheme == "ssh" and not shutil.which("ssh"):
        raise SettingsError(f"builder.endpoint is {found.endpoint}, and there is no ssh here", "Install an ssh client")
    if found.certificates:
        certificates.check(Path(found.certificates))
    if found.driver == "kubernetes" and found.endpoint and not Path(found.endpoint).is_file():
        raise SettingsError(f"builder.endpoint {found.endpoint} is not a file", "Point it to a kubeconfig file")
    if found.context and found.context not in (known := contexts()):
        raise SettingsError(
            f"docker knows no context '{found.context}'", did_you_mean(found.context, known).capitalize()
        )


def contexts() -> list[str]:
    """The names of docker's contexts."""
    return process.ask(Command(("docker", "context", "ls", "--format", "{{.Name}}")), ANSWER).split()


def remove(settings: Settings) -> None:
    """Remove the builder that was made last for this project, with its cache."""
    if name := _last(settings):
        try:
            process.ask(builder_model.remove(name, configuration(settings)), END)
        except CommandFailed as error:
            # What is not there any more is removed; what cannot be reached keeps what it has.
            print(f"goldi: {name} is not removed: {builder_model.reason(error.problem)}", file=sys.stderr, flush=True)


def _inspected(settings: Settings, found: Builder) -> str:
    """What buildx says of the builder, which is made first if buildx does not know it. Raises CommandFailed."""
    if _last(settings) == found.name:
        try:
            return process.ask(builder_model.ask(found), ANSWER)
        except CommandFailed as error:
            # Else buildx has forgotten it.
            if error.code == process.LATE:
                raise
    if process.is_dry():
        process.live(builder_model.create(found))
        return ""
    remove(settings)
    state.make(configuration(settings))
    process.ask(builder_model.create(found), ANSWER * 2.5)
    state.write(_note(settings), found.name)
    return process.ask(builder_model.ask(found), ANSWER)


def start(found: Builder, title: str = "") -> None:
    """Start the builder, shown as `title`, and wait until it answers. Raises CommandFailed."""
    far = found.driver == "remote"
    if not far:
        print(f"goldi: starting {title or found}", file=sys.stderr, flush=True)
    said = process.ask(builder_model.ask(found, start=True), ANSWER if far else START)
    if not builder_model.runs(said):
        told = re.search(r"^Error:\s+(.*)$", said, re.MULTILINE)
        raise CommandFailed(told[1] if told else "it is not running", 1)


def _note(settings: Settings) -> Path:
    """Where the name of the builder that we made last for this project is kept."""
    return configuration(settings) / "goldi"


def _last(settings: Settings) -> str:
    try:
        return _note(settings).read_text(encoding="utf-8")
    except OSError:
        return ""
