"""What the front ends have in common: they hand each room what it needs of another, since no room imports another.

What builds is imported where it is used: 15 ms that a check in a warm container has no use for.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from goldi_tasks import atomic, envfile, inside_container, invocation, ownership, process, state
from goldi_tasks import settings as project
from goldi_tasks.bake.build_request import Wanted
from goldi_tasks.cache import cache_directories, last_use, usage_lock
from goldi_tasks.client import rootless, run_arguments, system_info
from goldi_tasks.compose import compose_arguments
from goldi_tasks.errors import GoldiError, NoPermission, NotAProject, SettingsError
from goldi_tasks.settings import Settings, image_names

if TYPE_CHECKING:
    from goldi_tasks.bake.builds import Tell
    from goldi_tasks.bake.summary import Summary
    from goldi_tasks.checks.container import Doors
    from goldi_tasks.compose.compose_project import Doors as StackDoors
    from goldi_tasks.maintenance.archive.save_archive import Builder


def build(settings: Settings, wanted: Wanted, tell: "Tell | None" = None, *, here: bool = True) -> None:
    """Build `wanted` and `tell` what came of it, for people if that is not said.

    What containers of this machine run is built `here`, by the current builder, the rest by the one that the settings
    choose.
    Raises what bake.build raises, and CacheRefused.
    """
    from goldi_tasks.bake import builds, summary
    from goldi_tasks.bake.builders import configured
    from goldi_tasks.bake.executor import Doors
    from goldi_tasks.cache import repair, staged_export

    def prepare(directories: Sequence[Path]) -> None:
        for directory in directories:
            cache_directories.ensure(settings.roots, directory)

    doors = Doors(prepare, repair.drop_unsound, repair.drop_corrupt, staged_export.staged)
    with at_work(settings), nullcontext() if here else configured.at(settings) as at:
        builds.build(settings, wanted, doors, tell or summary.show, _provide_bases, at, _adopter())


@contextmanager
def at_work(settings: Settings) -> Iterator[None]:
    """No prune begins while the block runs, a build or a check; after it the caches are held against their limits."""
    last_use.remember(settings.key, settings.project)
    try:
        with usage_lock.at_work():
            yield
    except KeyboardInterrupt:
        raise
    except BaseException:
        _tidy(settings)
        raise
    _tidy(settings)


def _provide_bases(named: Mapping[str, str], platforms: Sequence[str]) -> bool:
    """Make our base images for `platforms` that lack them; whether that was done."""
    from goldi_tasks.engine import cross_platform

    return cross_platform.ensure(named, platforms)


def _adopter() -> Callable[[Settings], bool]:
    """Return what names in .env the base images that are here where no registry answers; nothing in a dry run."""
    from goldi_tasks.engine import base_images

    # Decided here: threads know of no dry run.
    if process.is_dry() or inside_container.is_inside():
        return lambda settings: False
    return lambda settings: base_images.adopt(settings, database=_builds_database(settings))


def _tidy(settings: Settings) -> None:
    """Keep the limits of the settings, once a day; that is no part of what was asked for, and never fails it."""
    if process.is_dry() or not (settings.max_age or settings.max_size) or not usage_lock.due():
        return
    from goldi_tasks.maintenance.prune import auto, policy  # 30 ms, once a day

    limits = policy.Limits(settings.max_age, settings.max_size)
    if said := auto.tidy(settings.roots, limits, settings.key, lambda: pythons(settings)):
        print(invocation.as_typed(f"goldi: {said}"), file=sys.stderr, flush=True)


def pythons(settings: Settings | None) -> tuple[str, ...]:
    """Images with Python that may be there: the project's tools, its base, and what `engine.up` makes."""
    from goldi_tasks.engine import distribution

    made = distribution.IMAGES["PYTHON_IMAGE"].name
    if settings is None:
        return (made,)
    base = image_names.base_images(settings, settings.made_images)["PYTHON_IMAGE"]
    return tuple(dict.fromkeys((f"{settings.image}:tools", base, made)))


def with_tool(settings: Settings | None, cache: str) -> tuple[str, ...]:
    """Images that may be there and have the tool that fills a cache; with Python where `cache` is ""."""
    if not cache or settings is None:
        return pythons(settings)
    ours = tuple(f"{settings.image}:{target}" for target in ("tools", "devcontainer"))
    return (*ours, image_names.base_images(settings, settings.made_images)["NODE_IMAGE"])


def prepare_mounts(settings: Settings) -> None:
    """Make what containers mount. Raises CacheRefused."""
    for _, directory, mount in run_arguments.mounts(settings):
        cache_directories.ensure(settings.roots, directory)
        if Path(mount).is_relative_to(settings.project):
            # Else the engine would make the mount point, as root.
            atomic.make_directory(Path(mount), 0o777, ownership.owner())


def set_up(settings: Settings) -> Callable[[], None]:
    """Look at what containers of the project need of this machine; return what makes and writes it.

    That makes what they mount, and writes .env for compose. It raises CacheRefused, NoPermission.
    """
    inside_container.expect_outside()
    from goldi_tasks import network  # 5 ms

    file, lines, said = _network_file(settings), network.text(settings, "npm"), _machine(settings)
    roots = {name: said[name] or None for name in settings.roots.variables}

    def write() -> None:
        prepare_mounts(settings)
        try:
            # Who called sudo is whom the services run as.
            state.rewrite(file, lines, ownership.owner())
            envfile.write(settings.env_file, said | roots)
        except OSError as error:
            named = error.filename or settings.env_file
            raise NoPermission(f"{named} cannot be written: {error.strerror}", "Make it yours") from error

    return write


def stack(settings: Settings) -> "StackDoors":
    """What the stack needs of other rooms."""
    from goldi_tasks import network
    from goldi_tasks.bake import bakefile, builds
    from goldi_tasks.compose.compose_project import Doors as StackDoors

    def env() -> dict[str, str]:
        variables = builds.environment(settings, Wanted(()))
        database = image_names.database_image(settings, settings.made_images)
        return variables | database | _machine(settings)

    return StackDoors(
        env,
        lambda: network.secrets(settings),
        lambda: _forget_logins(settings),
        lambda: set_up(settings),
        lambda: list(bakefile.load(settings)["target"]),
        lambda targets: builds.is_up_to_date(settings, Wanted(tuple(targets))),
        lambda targets: build(settings, Wanted(tuple(targets)), _if_built),
        lambda image: _provide(settings, image),
    )


def _machine(settings: Settings) -> dict[str, str]:
    """What compose has to know of this machine."""
    return compose_arguments.machine(settings, rootless.numbers(ownership.owner()), _network_file(settings))


def _network_file(settings: Settings) -> Path:
    """Where containers that run for long find what they are told of the host's network."""
    return state.folder("network") / settings.key


def make_ready(start: Path) -> None:
    """Provide what builds and plain compose need in the project around `start`; outside of one nothing.

    Raises EngineFailed, NoPermission.
    """
    from goldi_tasks.engine import base_images

    try:
        settings = project.load(start)
    except NotAProject:
        return
    base_images.ensure(settings, database=_builds_database(settings))
    if process.is_dry() or not settings.env_file.with_name("docker-compose.yml").is_file():
        return
    try:
        set_up(settings)()
    except GoldiError as error:
        # The engine is up all the same; what needs the caches fails by itself.
        print(f"goldi: {error}", file=sys.stderr, flush=True)


def _builds_database(settings: Settings) -> bool:
    """Return whether the project's bake file has the target that makes the database's image."""
    from goldi_tasks.bake import bakefile

    try:
        return "postgres" in bakefile.load(settings)["target"]
    except (NotAProject, SettingsError, KeyError):
        return False


def _provide(settings: Settings, image: str) -> bool:
    """Build the database's image from Debian's packages where it cannot be had; whether .env names that one now."""
    from goldi_tasks.engine import base_images

    made = image_names.DATABASE_MADE
    ours = image == made or (image.startswith("postgres:") and not settings.postgres_image)
    if process.is_dry() or not ours or not _builds_database(settings) or base_images.can_be_had(image):
        return False
    if image != made:
        print(f"no registry answers: {settings.env_file} names {made} instead of {image}")
    build(settings, Wanted(("postgres",)), _if_built)
    return envfile.write(settings.env_file, image_names.BUILT)


def scanner(settings: Settings) -> str:
    """The image that lists the packages of what is pushed; "" where it cannot be had, which is told."""
    from goldi_tasks.engine import base_images

    if process.is_dry() or base_images.can_be_had(settings.scanner_image):
        return settings.scanner_image
    print(f"goldi: pushed without an SBOM: {settings.scanner_image} is not available (`images.scanner` names another)")
    return ""


def _forget_logins(settings: Settings) -> None:
    """Empty the file that the stack's services were told of the network by; compose wants it to be there."""
    if (file := _network_file(settings)).is_file():
        state.rewrite(file, "")


def doors(settings: Settings) -> "Doors":
    """What checks need of other rooms."""
    from goldi_tasks.checks.container import Doors

    def current() -> str:
        from goldi_tasks.bake import bake_variables, fingerprint

        bases = image_names.base_images(settings, settings.made_images)
        return fingerprint.image(settings, "tools", bake_variables.variables(settings, Wanted(("tools",)), bases))

    return Doors(lambda: prepare_mounts(settings), current, lambda: image(settings, "tools"))


def image(settings: Settings, target: str) -> str:
    """The id of the image of `target`, built if need be; "" where all is only shown. Raises what a build raises."""
    from goldi_tasks.bake import client_state

    build(settings, Wanted((target,)), _if_built)
    return "" if process.is_dry() else client_state.image_id(f"{settings.image}:{target}")


def mounts(settings: Settings) -> "Builder":
    """What reaches the cache mounts of the project's Dockerfiles. Raises what bake and the engine's probe raise."""
    from goldi_tasks.bake import bakefile, builds, control_files
    from goldi_tasks.bake.build_request import public
    from goldi_tasks.maintenance.archive import cache_mounts
    from goldi_tasks.maintenance.archive.save_archive import Builder

    docker, found = system_info.docker(), dict[str, cache_mounts.Mount]()
    shown = builds.shown(settings, public(bakefile.load(settings)))
    for target in json.loads(process.capture(shown, cwd=settings.project))["target"].values():
        with suppress(OSError, control_files.NotUnderstood):
            text = control_files.find(settings.project, target).text
            found |= cache_mounts.declared(text, target.get("args", {}), docker.platform)
    return Builder(docker, builds.base_images(settings)["PYTHON_IMAGE"], tuple(found.values()))


def _if_built(found: "Summary") -> None:
    from goldi_tasks.bake import summary

    if found.result != "up to date":
        summary.show(found)
