"""A build: what goes into it, whether there is anything to do, the plan, the work, and what is told and kept of it."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from goldi_tasks import network, paths, process, tempdir
from goldi_tasks.bake import (
    bake_arguments,
    bake_variables,
    bakefile,
    build_context,
    build_history,
    build_request,
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
from goldi_tasks.bake.builders import configured
from goldi_tasks.bake.builders.builder_model import Builder
from goldi_tasks.bake.executor import Caches, Doors, Work
from goldi_tasks.bake.progress import view
from goldi_tasks.client.system_info import Docker
from goldi_tasks.command import Command, hide
from goldi_tasks.invocation import as_typed
from goldi_tasks.settings import Settings, image_names

# Is told what came of a build, also of one that failed.
Tell = Callable[[summary.Summary], None]
Provide = Callable[[Mapping[str, str], Sequence[str]], bool]


def build(
    settings: Settings,
    wanted: build_request.Wanted,
    doors: Doors,
    tell: Tell = summary.show,
    provide: Provide = lambda images, platforms: False,
    at: Builder | None = None,
    adopt: Callable[[Settings], bool] = lambda settings: False,
) -> None:
    """Build `wanted`, keep a record of it, and `tell` what came of it.

    `provide` makes base images for platforms that lack them, and says whether it did. `at` is the builder that docker
    was led to, None for the current one. `adopt` chooses base images that are here where the project's cannot be had,
    and returns whether it did.

    Raises UnknownName, NoDocker, NoEngine, NoPermission, NoSpace, Interrupted, CommandFailed with buildx's exit code.
    """
    began = time.time_ns()
    ready = _Ready(settings, wanted, at, adopt)
    if not ready.before.reason and not process.is_dry():
        sizes = (ready.before.files, ready.before.bytes)
        tell(summary.unchanged(ready.targets, ready.before.images, sizes, _since(began)))
        return
    ready.ask()
    wanted = replace(wanted, outputs=compression.has_outputs(ready.before.printed))
    build_request.check(wanted, ready.docker)
    # What another machine emulates is its own business.
    if wanted.platforms and not at:
        platform_check.check(settings, wanted, ready.before.printed)
        if provide(base_images(settings), wanted.platforms):
            ready.look()
    if wanted.push:
        remote_options.check_pushed(settings, wanted, bakefile.load(settings), ready.targets)
    _run(ready, wanted, doors, tell, began)
    _tell(settings, ready.before)


class _Ready:
    """What a build needs to know: what goes in, `docker`, `secrets`, and the `variables` of the bake file."""

    docker: Docker
    secrets: Mapping[str, str]

    def __init__(
        self, settings: Settings, wanted: build_request.Wanted, at: Builder | None, adopt: Callable[[Settings], bool]
    ) -> None:
        self.settings, self.wanted, self.at, self._adopt = settings, wanted, at, adopt
        self.where = f"{at.name} {at.endpoint}" if at else ""
        self._pool = ThreadPoolExecutor()
        self._asked: list[Future[Any]] = []
        self.look(on_change=self._begin)
        self.targets = tuple(self.before.targets) or build_request.members(bakefile.load(settings), wanted.targets)
        self.files = _files(settings, self.before)

    def look(self, on_change: Callable[[], object] = lambda: None) -> None:
        """Look at what goes in."""
        self.variables = environment(self.settings, self.wanted)
        self.before = fingerprint.look(
            self.settings, self.wanted, self.variables, where=self.where, on_change=on_change
        )

    @cached_property
    def measured(self) -> tuple[int, int]:
        """The context's files and their bytes; nothing where it cannot be read, of which buildx speaks."""
        try:
            return build_context.measure(self.files[0].root, self.files[0].ignore_text) if self.files else (0, 0)
        except OSError:
            return 0, 0

    def ask(self) -> None:
        """Ask for what only a build needs, and choose base images that are here. Raises NoDocker, NoEngine."""
        if not self._asked:
            self._begin()
        if self.at:
            configured.missing(self.settings, self.at, self.before.printed)
        self.docker, self.secrets, adopted = (one.result() for one in self._asked)
        hide(bakefile.secrets(self.settings, self.before.printed))
        if adopted:
            self.look()

    def _begin(self) -> None:
        # Each asks programs for a tenth of a second.
        ask, settings, at = self._pool.submit, self.settings, self.at
        self._asked = [ask(configured.docker, at), ask(network.secrets, settings)]
        self._asked.append(ask(self._adopt, settings) if not at else ask(bool))


def _run(ready: _Ready, wanted: build_request.Wanted, doors: Doors, tell: Tell, began: int) -> None:
    """Run bake, keep a record of it, and `tell` what came of it."""
    settings, docker, targets = ready.settings, ready.docker, ready.targets
    out = remote_cache.find(settings, docker, wanted, targets, ready.before.printed, far=bool(ready.at))
    if out.local and not local_cache.keeps_local_cache(docker):
        problem = "this engine's store exports no local cache (`inv build.builder --create` makes a builder that does)"
        print(as_typed(f"goldi: {problem}"))
    # A target of the project's own has the caches that its bake file says, and no directory of ours.
    cached = [target for target in targets if target in paths.TARGETS]
    directories = {target: local_cache.cache_directory(settings, target, wanted.platforms) for target in cached}
    variables, secrets = ready.variables, ready.secrets
    with tempdir.directory() as folder:
        metadata = folder / "metadata.json"
        command = bake_arguments.build(
            settings, docker, _asked(wanted), targets, metadata, variables, secrets, out.told
        )

        def keep(places: Mapping[str, Path]) -> Command:
            return bake_arguments.keep(settings, docker, _asked(wanted), places, variables, secrets)

        kept = keep if out.local and local_cache.keeps(docker, wanted) else None
        sent = out.told.writes and bake_arguments.export(settings, docker, _asked(wanted), out.told, variables, secrets)
        title, mode = f"building {' '.join(targets)}", view.choose(wanted.progress)
        file = ready.files[0].dockerfile if ready.files else settings.bake_file.with_name("Dockerfile")
        caches, sure = Caches(directories, doors), wanted.keep_cache
        work = Work(settings, command, kept, caches, mode, title, sure, sent or None, out.told.own, file)

        def end(result: str) -> None:
            told = summary.gather(result, targets, work.heard, metadata, ready.measured, _since(began))
            told = replace(told, keeping=round(work.kept, 3), asked=ready.before.reason)
            build_history.keep(settings, wanted, work.heard, told, began)
            tell(told)

        def remember() -> None:
            names = [step.now.name for step in work.heard.steps.values()]
            built = fingerprint.Built(names, docker, summary.digests(metadata), ready.measured)
            fingerprint.remember(settings, wanted, ready.before, built, where=ready.where)

        with ThreadPoolExecutor(1) as pool:
            with _ending(end):
                work.run()
                # While the images are listed for the summary.
                done = None if process.is_dry() else pool.submit(remember)
            if done:
                done.result()


def _tell(settings: Settings, before: fingerprint.Look) -> None:
    """Print what is left out of an image, and why the builder will be asked next time too."""
    if process.is_dry():
        return
    if lost := ignored_files.sentence(settings, before):
        print(f"goldi: {lost}", file=sys.stderr)
    if before.lasting:
        print(f"goldi: the builder is asked each time, since {before.reason}", file=sys.stderr)


def is_up_to_date(settings: Settings, wanted: build_request.Wanted) -> bool:
    """Whether there is nothing to build of `wanted`, as `build` would find. Raises UnknownName, CommandFailed."""
    return not fingerprint.look(settings, wanted, environment(settings, wanted)).reason


def shown(settings: Settings, targets: tuple[str, ...]) -> Command:
    """Return the command that prints what bake would build. Raises UnknownName."""
    env = environment(settings, build_request.Wanted(targets))
    bakefile.check(settings, targets, env)
    return bake_arguments.show(settings, targets, env)


def environment(settings: Settings, wanted: build_request.Wanted) -> dict[str, str]:
    """The bake file's variables for this project on this machine."""
    return bake_variables.variables(settings, wanted, base_images(settings))


def base_images(settings: Settings) -> dict[str, str]:
    """PYTHON_IMAGE and NODE_IMAGE: as chosen, else as `engine.up` wrote them, else the official ones."""
    return image_names.base_images(settings, settings.made_images)


@contextmanager
def _ending(end: Callable[[str], None]) -> Iterator[None]:
    """Calls `end` with how the block ended: built, failed or interrupted; never where all is only shown."""
    result = "failed"
    try:
        yield
        result = "built"
    except KeyboardInterrupt:
        result = "interrupted"
        raise
    finally:
        if not process.is_dry():
            end(result)


def _asked(wanted: build_request.Wanted) -> build_request.Wanted:
    """With the progress that we read; a command that is only shown has the one that was wanted."""
    return wanted if process.is_dry() else replace(wanted, progress="rawjson")


def _files(settings: Settings, before: fingerprint.Look) -> list[control_files.Control]:
    """List what is read for each target, beside what its Dockerfile copies; none where that cannot be said."""
    try:
        return [control_files.find(settings.project, before.printed["target"][name]) for name in before.targets]
    except (OSError, LookupError, control_files.NotUnderstood):
        return []


def _since(began: int) -> float:
    return (time.time_ns() - began) / 1e9
