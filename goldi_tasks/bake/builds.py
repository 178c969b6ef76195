"""Build the targets of a request: check whether anything changed, run bake, report and record the result."""

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
    bakefile,
    build_context,
    build_history,
    build_request,
    client_state,
    compression,
    control_files,
    fingerprint,
    ignored_files,
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

# Receives the summary of a build, also of a failed one.
Report = Callable[[summary.Summary], None]


def build_targets(
    settings: Settings, request: BuildRequest, report: Report = summary.show, *, here: bool = True
) -> None:
    """Build the targets of `request`, `report` the result and record it; if nothing changed, bake is not run.

    Images that containers of this machine run are built `here`, by the current builder; others by the builder that the
    settings choose.

    Raises UnknownName, SettingsError, NoDocker, NoEngine, NoPermission, NoSpace, CacheRefused, Interrupted, and
    CommandFailed with buildx's exit code.
    """
    began = time.time_ns()
    last_use.record_project_path(settings.key, settings.project)
    with usage_lock.hold_shared_lock(), nullcontext() if here else configured.use_builder(settings) as builder:
        inputs = _Inputs(settings, request, builder)
        if not inputs.before.reason and not process.is_dry():
            context = (inputs.before.files, inputs.before.bytes)
            report(summary.unchanged(inputs.targets, inputs.before.images, context, _seconds_since(began)))
            return
        inputs.ask_docker()
        request = inputs.check()
        with tempdir.directory() as temporary:
            execution = _prepare(inputs, request, temporary / "metadata.json")
            with _recorded(inputs, request, execution, report, began):
                execution.run()
        _warn(settings, inputs.before)


def ensure_image(settings: Settings, target: str) -> str:
    """Build `target` if it is out of date and return its image's id; "" in a dry run. Raises what building raises."""
    build_targets(settings, BuildRequest((target,)), summary.show_if_built)
    return "" if process.is_dry() else client_state.image_id(f"{settings.image}:{target}")


def is_up_to_date(settings: Settings, request: BuildRequest) -> bool:
    """Return whether all targets of `request` are up to date. Raises UnknownName, CommandFailed."""
    return not fingerprint.check_inputs(settings, request, variables(settings, request)).reason


def print_command(settings: Settings, targets: tuple[str, ...]) -> Command:
    """Return the `bake --print` command for `targets`. Raises UnknownName."""
    env = variables(settings, BuildRequest(targets))
    bakefile.check(settings, targets, env)
    return bake_arguments.bake_print_command(settings, targets, env)


def variables(settings: Settings, request: BuildRequest) -> dict[str, str]:
    """Return the bake file's variables for this project on this machine."""
    return bake_arguments.variables(settings, request, image_names.base_images(settings, settings.made_images))


def find_scanner(settings: Settings) -> str:
    """Return the image that lists the packages of pushed images (SBOM); print a warning and return "" without it."""
    if process.is_dry() or made_images.is_available(settings.scanner_image):
        return settings.scanner_image
    print(f"goldi: pushed without an SBOM: {settings.scanner_image} is not available (`images.scanner` names another)")
    return ""


class _Inputs:
    """The inputs of a build: `before` (state of the targets), `env` (bake file's variables), `docker`, `secrets`.

    `docker` and `secrets` are set by `ask_docker`.
    """

    docker: Docker
    secrets: Mapping[str, str]

    def __init__(self, settings: Settings, request: BuildRequest, builder: Builder | None) -> None:
        self.settings, self.request, self.builder = settings, request, builder
        self.builder_key = f"{builder.name} {builder.endpoint}" if builder else ""
        self._pool = ThreadPoolExecutor()
        self._answers: list[Future[Any]] = []
        self.check_targets(on_change=self._submit)
        self.targets = tuple(self.before.targets) or build_request.resolve_targets(
            bakefile.load(settings), request.targets
        )
        self.control_files = _find_control_files(settings, self.before)

    def check_targets(self, on_change: Callable[[], object] = lambda: None) -> None:
        """Compute the bake file's variables, and whether the targets are up to date."""
        self.env = variables(self.settings, self.request)
        self.before = fingerprint.check_inputs(
            self.settings, self.request, self.env, builder=self.builder_key, on_change=on_change
        )

    @cached_property
    def context_size(self) -> tuple[int, int]:
        """Return the number of files in the context and their bytes; (0, 0) if unreadable, which buildx reports."""
        try:
            first = self.control_files[0] if self.control_files else None
            return build_context.measure(first.root, first.ignore_text) if first else (0, 0)
        except OSError:
            return 0, 0

    def ask_docker(self) -> None:
        """Ask for the builder and the secrets, and use base images of this engine. Raises NoDocker, NoEngine."""
        if not self._answers:
            self._submit()
        if self.builder:
            configured.check_base_images(self.settings, self.builder, self.before.printed)
        self.docker, self.secrets, changed = (answer.result() for answer in self._answers)
        hide(bakefile.secrets(self.settings, self.before.printed))
        if changed:
            self.check_targets()

    def check(self) -> BuildRequest:
        """Check that the request can be built and pushed; make base images for platforms that lack them.

        Return the request with `outputs` set. Raises UnknownName, NoEngine, SettingsError.
        """
        settings, request = self.settings, self.request
        request = replace(request, outputs=compression.has_outputs(self.before.printed))
        build_request.check(request, self.docker)
        # Emulation on a remote builder cannot be checked from here.
        if request.platforms and not self.builder:
            platform_check.check(settings, request, self.before.printed)
            bases = image_names.base_images(settings, settings.made_images)
            if cross_platform.ensure(bases, request.platforms):
                self.check_targets()
        if request.push:
            remote_options.check_pushed(settings, request, bakefile.load(settings), self.targets)
        return request

    def _submit(self) -> None:
        """Start the queries of `ask_docker` in threads."""
        # Each takes 0.1 s. Threads do not see that this is a dry run, so that is decided here.
        submit = self._pool.submit
        self._answers = [submit(configured.docker, self.builder), submit(network.secrets, self.settings)]
        if self.builder or process.is_dry() or inside_container.is_inside():
            self._answers.append(submit(bool))
        else:
            self._answers.append(submit(_adopt_base_images, self.settings))


def _adopt_base_images(settings: Settings) -> bool:
    """Write base images of this engine to .env if no registry answers; return whether that changed anything."""
    return made_images.adopt(settings, database=bakefile.builds_database(settings))


def _find_control_files(settings: Settings, before: fingerprint.InputCheck) -> list[control_files.ControlFiles]:
    """List the Dockerfile, ignore file and context of each target; nothing if one of them is not understood."""
    try:
        return [control_files.find(settings.project, before.printed["target"][name]) for name in before.targets]
    except (OSError, LookupError, control_files.NotUnderstood):
        return []


def _prepare(inputs: _Inputs, request: BuildRequest, metadata: Path) -> Execution:
    """Choose the caches; return the run of bake."""
    settings, docker = inputs.settings, inputs.docker
    cache_plan = remote_cache.find(
        settings,
        docker,
        request,
        inputs.targets,
        inputs.before.printed,
        is_remote_builder=bool(inputs.builder),
    )
    if cache_plan.uses_local_caches and not bake_arguments.keeps_local_cache(docker):
        problem = "this engine's store exports no local cache (`inv build.builder --create` makes a builder that does)"
        print(as_typed(f"goldi: {problem}"))
    files = inputs.control_files
    dockerfile = files[0].dockerfile if files else settings.bake_file.with_name("Dockerfile")
    return Execution(
        settings, docker, request, inputs.targets, inputs.env, inputs.secrets, cache_plan, metadata, dockerfile
    )


@contextmanager
def _recorded(
    inputs: _Inputs, request: BuildRequest, execution: Execution, report: Report, began: int
) -> Iterator[None]:
    """Report and record the result of the block: built, failed or interrupted; do nothing in a dry run."""
    if process.is_dry():
        yield
        return
    result, pending = "failed", None
    with ThreadPoolExecutor(1) as pool:
        try:
            yield
            result = "built"
            # In a thread, while the summary lists the images.
            pending = pool.submit(_remember, inputs, request, execution)
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
            build_history.write_record(inputs.settings, request, execution.log, outcome, began)
            report(outcome)
        pending.result()


def _remember(inputs: _Inputs, request: BuildRequest, execution: Execution) -> None:
    """Record the inputs of the built images, for the next build's check."""
    step_names = [step.now.name for step in execution.log.steps.values()]
    built = fingerprint.Built(step_names, inputs.docker, summary.digests(execution.metadata), inputs.context_size)
    fingerprint.remember(inputs.settings, request, inputs.before, built, builder=inputs.builder_key)


def _warn(settings: Settings, before: fingerprint.InputCheck) -> None:
    """Warn of tracked files that are not in an image, and of a reason to run bake on every build."""
    if process.is_dry():
        return
    if warning := ignored_files.describe_ignored_files(settings, before):
        print(f"goldi: {warning}", file=sys.stderr)
    if before.is_recurring:
        print(f"goldi: the builder is asked each time, since {before.reason}", file=sys.stderr)


def _seconds_since(began: int) -> float:
    """Return the seconds since `began`, which is in nanoseconds since the epoch."""
    return (time.time_ns() - began) / 1e9
