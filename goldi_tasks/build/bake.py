"""A build: what goes into it, whether there is anything to do, the plan, the work, and what is told and kept of it."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from goldi_tasks import paths, run, scratch
from goldi_tasks.build import bakefile, context, foreign, inputs, left_out, made, network, record, summary
from goldi_tasks.build.afar import find as afar
from goldi_tasks.build.builders import elsewhere
from goldi_tasks.build.watch import view
from goldi_tasks.build.work import Caches, Doors, Work
from goldi_tasks.command import Command
from goldi_tasks.invocation import as_typed
from goldi_tasks.plan import bake as plan
from goldi_tasks.plan import images, packing
from goldi_tasks.plan.builder import Builder
from goldi_tasks.settings import Settings

# Is told what came of a build, also of one that failed.
Tell = Callable[[summary.Summary], None]
Provide = Callable[[Mapping[str, str], Sequence[str]], bool]


def build(
    settings: Settings,
    wanted: plan.Wanted,
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
    began, mode = time.time_ns(), view.choose(wanted.progress)
    file = bakefile.load(settings)
    targets = plan.members(file, wanted.targets)
    wanted = replace(wanted, outputs=packing.has_outputs(file))
    variables, where = environment(settings, wanted), f"{at.name} {at.endpoint}" if at else ""
    with ThreadPoolExecutor() as pool:

        def ask() -> list[Future[Any]]:
            # Each asks programs for a tenth of a second.
            asks: list[Future[Any]] = [pool.submit(elsewhere.docker, at), pool.submit(network.secrets, settings)]
            there = (elsewhere.missing, settings, at, targets, variables) if at else (adopt, settings)
            return [*asks, pool.submit(*there)]

        asked = ask() if wanted.force or made.changed(settings, targets) else []
        before = None if run.is_dry() else inputs.look(settings, wanted, targets, variables, where=where)
        if before and not wanted.force and made.built(settings, before):
            tell(summary.unchanged(targets, before.images, _size(settings, before), _since(began)))
            return
        docker, secrets, adopted = (one.result() for one in asked or ask())
    if adopted:
        variables = environment(settings, wanted)
        before = inputs.look(settings, wanted, targets, variables)
    plan.check(wanted, docker)
    # What another machine emulates is its own business.
    if wanted.platforms and not at and _provided(settings, wanted, targets, variables, provide) and before:
        before = inputs.look(settings, wanted, targets, variables, before.printed)
    if wanted.push:
        plan.check_pushed(settings, wanted, file, targets)
    out = afar.find(settings, docker, wanted, targets, variables, far=bool(at))
    if out.local and not plan.keeps_local_cache(docker):
        problem = "this engine's store exports no local cache (`inv build.builder --create` makes a builder that does)"
        print(as_typed(f"goldi: {problem}"))
    # A target of the project's own has the caches that its bake file says, and no directory of ours.
    cached = [target for target in targets if target in paths.TARGETS]
    directories = {target: plan.cache_directory(settings, target, wanted.platforms) for target in cached}
    with scratch.directory() as folder:
        metadata = folder / "metadata.json"
        command = plan.build(settings, docker, _asked(wanted), targets, metadata, variables, secrets, out.told)

        def keep(places: Mapping[str, Path]) -> Command:
            return plan.keep(settings, docker, _asked(wanted), places, variables, secrets)

        kept = keep if out.local and plan.keeps(docker, wanted) else None
        sent = out.told.writes and plan.export(settings, docker, _asked(wanted), out.told, variables, secrets)
        title = f"building {' '.join(targets)}"
        caches = Caches(directories, doors)
        work = Work(settings, command, kept, caches, mode, title, wanted.keep_cache, sent or None, out.told.own)

        def end(result: str) -> None:
            told = summary.gather(result, targets, work.heard, metadata, _size(settings, before), _since(began))
            told = replace(told, keeping=round(work.kept, 3))
            record.keep(settings, wanted, work.heard, told, began)
            tell(told)

        with ThreadPoolExecutor(1) as pool:
            with _ending(end):
                work.run()
                # While the images are listed for the summary.
                again = before and pool.submit(inputs.look, settings, wanted, targets, variables, before.printed, where)
            if before and again:
                made.remember(settings, targets, before, again.result(), summary.digests(metadata), began)
    _tell_left_out(settings, targets, variables, before)


def _tell_left_out(
    settings: Settings, targets: tuple[str, ...], env: Mapping[str, str], before: inputs.Inputs | None
) -> None:
    if not run.is_dry() and (lost := left_out.sentence(settings, targets, env, before.printed if before else None)):
        print(f"goldi: {lost}", file=sys.stderr)


def _provided(
    settings: Settings, wanted: plan.Wanted, targets: tuple[str, ...], variables: Mapping[str, str], provide: Provide
) -> bool:
    """Return whether base images were made for platforms that lacked them. Raises what foreign.check does."""
    foreign.check(settings, wanted, targets, variables)
    return provide(base_images(settings), wanted.platforms)


def fresh(settings: Settings, wanted: plan.Wanted) -> bool:
    """Whether there is nothing to build of `wanted`, as `build` would find. Raises UnknownName, CommandFailed."""
    file = bakefile.load(settings)
    targets = plan.members(file, wanted.targets)
    wanted = replace(wanted, outputs=packing.has_outputs(file))
    before = inputs.look(settings, wanted, targets, environment(settings, wanted))
    return bool(before and made.built(settings, before))


def shown(settings: Settings, targets: tuple[str, ...]) -> Command:
    """The command that prints what bake would build. Raises UnknownName."""
    plan.members(bakefile.load(settings), targets)
    return plan.show(settings, targets, environment(settings, plan.Wanted(targets)))


def environment(settings: Settings, wanted: plan.Wanted) -> dict[str, str]:
    """The bake file's variables for this project on this machine."""
    return plan.variables(settings, wanted, base_images(settings))


def base_images(settings: Settings) -> dict[str, str]:
    """PYTHON_IMAGE and NODE_IMAGE: as chosen, else as `engine.up` wrote them, else the official ones."""
    return images.base_images(settings, settings.made_images)


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
        if not run.is_dry():
            end(result)


def _asked(wanted: plan.Wanted) -> plan.Wanted:
    """With the progress that we read; a command that is only shown has the one that was wanted."""
    return wanted if run.is_dry() else replace(wanted, progress="rawjson")


def _size(settings: Settings, before: inputs.Inputs | None) -> tuple[int, int]:
    """Number and bytes of the context's files; nothing where it cannot be read, of which buildx speaks."""
    try:
        return (before.context.files, before.context.bytes) if before else context.measure(settings)
    except OSError:
        return 0, 0


def _since(began: int) -> float:
    return (time.time_ns() - began) / 1e9
