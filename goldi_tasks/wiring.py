"""What the front ends have in common: they hand each room what it needs of another, since no room imports another.

What builds is imported where it is used: 15 ms that a check in a warm container has no use for.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from goldi_tasks import envfile, run
from goldi_tasks.cache import dirs, local
from goldi_tasks.checks.found import Doors
from goldi_tasks.errors import NoPermission
from goldi_tasks.plan import container
from goldi_tasks.plan.bake import Wanted
from goldi_tasks.settings import Settings

if TYPE_CHECKING:
    from goldi_tasks.build.bake import Tell
    from goldi_tasks.build.summary import Summary


def build(settings: Settings, wanted: Wanted, tell: "Tell | None" = None) -> None:
    """Build `wanted` and `tell` what came of it, for people if that is not said.

    Raises what bake.build raises, and CacheRefused.
    """
    from goldi_tasks.build import bake, summary

    def prepare(directories: Sequence[Path]) -> None:
        for directory in directories:
            dirs.ensure(settings.cache_root, directory)

    bake.build(settings, wanted, prepare, local.drop_corrupt, tell or summary.show)


def prepare_mounts(settings: Settings) -> None:
    """Make what containers mount. Raises CacheRefused."""
    for _, directory, mount in container.mounts(settings):
        dirs.ensure(settings.cache_root, directory)
        if Path(mount).is_relative_to(settings.project):
            # Else the engine would make the mount point, as root.
            Path(mount).mkdir(exist_ok=True)


def set_up(settings: Settings) -> None:
    """Make what containers of the project mount, and write down what compose has to know of this machine.

    Raises CacheRefused, NoPermission.
    """
    prepare_mounts(settings)
    uid, gid = dirs.owner()
    values = {
        "GOLDI_CACHE_ROOT": str(settings.cache_root),
        "GOLDI_PROJECT": str(settings.project),
        "GOLDI_PROJECT_KEY": settings.key,
        "GOLDI_UID": str(uid),
        "GOLDI_GID": str(gid),
    }
    try:
        envfile.write(settings.env_file, values)
    except OSError as error:
        raise NoPermission(f"{settings.env_file} cannot be written: {error.strerror}", "Make it yours") from error


def doors(settings: Settings) -> Doors:
    """What checks need of other rooms."""

    def image() -> tuple[str, Sequence[Path]]:
        from goldi_tasks.build import ready

        build(settings, Wanted(("tools",)), _if_built)
        return ready.image(settings, "tools"), ready.files(settings, "tools")

    return Doors(lambda: prepare_mounts(settings), image)


def image(settings: Settings, target: str) -> str:
    """The id of the image of `target`, built if need be; "" where all is only shown. Raises what a build raises."""
    from goldi_tasks.build import ready

    build(settings, Wanted((target,)), _if_built)
    return "" if run.is_dry() else ready.image(settings, target)


def _if_built(found: "Summary") -> None:
    from goldi_tasks.build import summary

    if found.result != "up to date":
        summary.show(found)
