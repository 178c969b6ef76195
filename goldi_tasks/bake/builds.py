"""Build what a request names: find out whether anything changed, run bake, report and record how it ended."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from goldi_tasks import inside_container, network, process, tempdir
from goldi_tasks.bake import (
    bake_arguments,
    bake_variables,
    bakefile,
    build_context,
    build_history,
    build_request,
    client_state,
    compression,
    control_files,
    fingerprint,
    ignored_files,
    local_cache,
    platform_check,
    remote_cache,
    remote_options,
    summary,
)
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.bake.builders import configured
from goldi_tasks.bake.builders.builder_model import Builder
from goldi_tasks.bake.executor import Execution
from goldi_tasks.cache import last_use, usage_lock
from goldi_tasks.client.system_info import Docker
from goldi_tasks.command import Command, hide
from goldi_tasks.engine import base_images as made_images
from goldi_tasks.engine import cross_platform
from goldi_tasks.invocation import as_typed
from goldi_tasks.settings import Settings, image_names

# Gets how a build ended, also one that failed.
Report = Callable[[summary.Summary], None]


def build(settings: Settings, request: BuildRequest, report: Report = summary.show, *, here: bool = True) -> None:
    """Build what `request` names, `report` how it ended and keep a record; nothing is run where nothing changed.

    What containers of this machine run is built `here`, by the current builder; the rest by the builder that the
    settings choose.

    Raises UnknownName, SettingsError, NoDocker, NoEngine, NoPermission, NoSpace, CacheRefused, Interrupted, and
    CommandFailed with buildx's exit code.
    """
    began = time.time_ns()
    last_use.remember(settings.key, settings.project)
    with usage_lock.at_work(), nullcontext() if here else configured.at(settings) as builder:
        inputs = _Inputs(settings, request, builder)
        if not inputs.before.reason and not process.is_dry():
            context = (inputs.before.files, inputs.before.bytes)
            report(summary.unchanged(inputs.targets, inputs.before.images, context, _seconds_since(began)))
            return
        inputs.ask()
        request = inputs.check()
        with tempdir.directory() as folder:
            execution = _prepare(inputs, request, folder / "metadata.json")
            with _recorded(inputs, request, execution, report, began):
                execution.run()
        _warn(settings, inputs.before)


def ensure_image(settings: Settings, target: str) -> str:
    """Build `target` where it is stale and return its image's id; "" in a dry run. Raises as `build` does."""
    build(settings, BuildRequest((target,)), summary.show_if_built)
    return "" if process.is_dry() else client_state.image_id(f"{settings.image}:{target}")


def is_up_to_date(settings: Settings, request: BuildRequest) -> bool:
    """Return whether `build` would find nothing to do. Raises UnknownName, CommandFailed."""
    return not fingerprint.look(settings, request, variables(settings, request)).reason


def current_image(settings: Settings, target: str) -> str:
    """Return the id of the image of `target` if it is up to date, else "". Raises UnknownName, CommandFailed."""
    return fingerprint.image(settings, target, variables(settings, BuildRequest((target,))))


def print_command(settings: Settings, targets: tuple[str, ...]) -> Command:
    """Return the command that prints what bake would build. Raises UnknownName."""
    env = variables(settings, BuildRequest(targets))
    bakefile.check(settings, targets, env)
    return bake_arguments.show(settings, targets, env)


def variables(settings: Settings, request: BuildRequest) -> dict[str, str]:
    """Return the bake file's variables for this project on this machine."""
    return bake_variables.variables(settings, request, image_names.base_images(settings, settings.made_images))


def find_scanner(settings: Settings) -> str:
    """Return the image that lists the packages of what is pushed; "" where it is not available, with a warning."""
    if process.is_dry() or made_images.can_be_had(settings.scanner_image):
        return settings.scanner_image
    print(f"goldi: pushed without an SBOM: {settings.scanner_image} is not available (`images.scanner` names another)")
    return ""


class _Inputs:
    """What a build needs to know: what goes in (`before`), `env` of the bake file, `docker`, `secrets`."""

    docker: Docker
    secrets: Mapping[str, str]

    def __init__(self, settings: Settings, request: BuildRequest, builder: Builder | None) -> None:
        self.settings, self.request, self.builder = settings, request, builder
        self.where = f"{builder.name} {builder.endpoint}" if builder else ""
        self._pool = ThreadPoolExecutor()
        self._answers: list[Future[Any]] = []
        self.look(on_change=self._begin)
        self.targets = tuple(self.before.targets) or build_request.members(bakefile.load(settings), request.targets)
        self.control = _find_control(settings, self.before)

    def look(self, on_change: Callable[[], object] = lambda: None) -> None:
        """Look at what goes in."""
        self.env = variables(self.settings, self.request)
        self.before = fingerprint.look(self.settings, self.request, self.env, where=self.where, on_change=on_change)

    @cached_property
    def context_size(self) -> tuple[int, int]:
        """The context's files and their bytes; (0, 0) where it cannot be read, which buildx reports."""
        try:
            first = self.control[0] if self.control else None
            return build_context.measure(first.root, first.ignore_text) if first else (0, 0)
        except OSError:
            return 0, 0

    def ask(self) -> None:
        """Ask for what only a build needs, and choose base images that are here. Raises NoDocker, NoEngine."""
        if not self._answers:
            self._begin()
        if self.builder:
            configured.missing(self.settings, self.builder, self.before.printed)
        self.docker, self.secrets, changed = (answer.result() for answer in self._answers)
        hide(bakefile.secrets(self.settings, self.before.printed))
        if changed:
            self.look()

    def check(self) -> BuildRequest:
        """Return the request with what the bake file says of outputs; make base images for platforms that lack them.

        Raises UnknownName, NoEngine, SettingsError for what cannot be built or pushed.
        """
        settings, request = self.settings, self.request
        request = replace(request, outputs=compression.has_outputs(self.before.printed))
        build_request.check(request, self.docker)
        # What another machine emulates is its own business.
        if request.platforms and not self.builder:
            platform_check.check(settings, request, self.before.printed)
            bases = image_names.base_images(settings, settings.made_images)
            if cross_platform.ensure(bases, request.platforms):
                self.look()
        if request.push:
            remote_options.check_pushed(settings, request, bakefile.load(settings), self.targets)
        return request

    def _begin(self) -> None:
        # Each asks programs for a tenth of a second. Threads know of no dry run, so that is decided here.
        submit = self._pool.submit
        self._answers = [submit(configured.docker, self.builder), submit(network.secrets, self.settings)]
        if self.builder or process.is_dry() or inside_container.is_inside():
            self._answers.append(submit(bool))
        else:
            self._answers.append(submit(_adopt_base_images, self.settings))


def _adopt_base_images(settings: Settings) -> bool:
    """Name in .env the base images that are here where no registry answers; return whether that changed anything."""
    return made_images.adopt(settings, database=bakefile.builds_database(settings))


def _find_control(settings: Settings, before: fingerprint.Look) -> list[control_files.Control]:
    """List what is read for each target, besides what its Dockerfile copies; none where that cannot be said."""
    try:
        return [control_files.find(settings.project, before.printed["target"][name]) for name in before.targets]
    except (OSError, LookupError, control_files.NotUnderstood):
        return []


def _prepare(inputs: _Inputs, request: BuildRequest, metadata: Path) -> Execution:
    """Decide about caches; return what is to be run."""
    settings, docker = inputs.settings, inputs.docker
    remote = remote_cache.find(
        settings, docker, request, inputs.targets, inputs.before.printed, far=bool(inputs.builder)
    )
    if remote.local and not local_cache.keeps_local_cache(docker):
        problem = "this engine's store exports no local cache (`inv build.builder --create` makes a builder that does)"
        print(as_typed(f"goldi: {problem}"))
    file = inputs.control[0].dockerfile if inputs.control else settings.bake_file.with_name("Dockerfile")
    return Execution(
        settings, docker, request, inputs.targets, inputs.env, inputs.secrets, remote, metadata, dockerfile=file
    )


@contextmanager
def _recorded(
    inputs: _Inputs, request: BuildRequest, execution: Execution, report: Report, began: int
) -> Iterator[None]:
    """Report and record how the block ended: built, failed or interrupted; nothing in a dry run."""
    if process.is_dry():
        yield
        return
    result, remembered = "failed", None
    with ThreadPoolExecutor(1) as pool:
        try:
            yield
            result = "built"
            # While the images are listed for the summary.
            remembered = pool.submit(_remember, inputs, request, execution)
        except KeyboardInterrupt:
            result = "interrupted"
            raise
        finally:
            outcome = summary.gather(
                result,
                inputs.targets,
                execution.log,
                execution.metadata,
                inputs.context_size,
                _seconds_since(began),
            )
            outcome = replace(outcome, keeping=round(execution.export_seconds, 3), asked=inputs.before.reason)
            build_history.keep(inputs.settings, request, execution.log, outcome, began)
            report(outcome)
        remembered.result()


def _remember(inputs: _Inputs, request: BuildRequest, execution: Execution) -> None:
    """Note what the images were built from, for the next build's fingerprint."""
    names = [step.now.name for step in execution.log.steps.values()]
    built = fingerprint.Built(names, inputs.docker, summary.digests(execution.metadata), inputs.context_size)
    fingerprint.remember(inputs.settings, request, inputs.before, built, where=inputs.where)


def _warn(settings: Settings, before: fingerprint.Look) -> None:
    """Print what is left out of an image, and why the builder will be asked next time too."""
    if process.is_dry():
        return
    if lost := ignored_files.sentence(settings, before):
        print(f"goldi: {lost}", file=sys.stderr)
    if before.lasting:
        print(f"goldi: the builder is asked each time, since {before.reason}", file=sys.stderr)


def _seconds_since(began: int) -> float:
    """Return seconds since `began`, in nanoseconds of the system's clock."""
    return (time.time_ns() - began) / 1e9
