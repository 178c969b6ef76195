"""Caches outside of the builder: where they are, and what bake is told of them."""

from pathlib import Path

from goldi_tasks import paths
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.client.system_info import BUILDER, Docker
from goldi_tasks.settings import Settings


def cache_directory(settings: Settings, target: str, platforms: tuple[str, ...]) -> Path:
    """Where the bake file keeps the local cache of `target` for this project and platform set."""
    return settings.roots.path(paths.build_cache(target), settings.key) / paths.platform_key(platforms)


def keeps_local_cache(docker: Docker) -> bool:
    """Whether a builder here can export the local cache: the current one, or the guide's."""
    return docker.exports_local or BUILDER in docker.builders


def keeps(docker: Docker, request: BuildRequest) -> bool:
    """Whether local caches of this build are to be kept with `keep`: where it works, and nobody has said otherwise."""
    return keeps_local_cache(docker) and not request.push and not any(".cache-to" in text for text in request.sets)


def flags(docker: Docker, request: BuildRequest, store: bool = False) -> tuple[str, ...]:
    """The bake file exports a local and an inline cache; this leaves out what is of no use here.

    An inline cache serves those who pull the image, and gives it a new id on every build, so an image that
    stays gets none. A local export is an error where it cannot be done (docker/buildx#701); elsewhere `keep` does it,
    and what goes into a `store` too.
    """
    if request.push:
        return () if keeps_local_cache(docker) and not store else ("--set", "*.cache-to=type=inline")
    return ("--set", "*.cache-to=")


def allowed(settings: Settings, docker: Docker) -> tuple[str, ...]:
    """Paths outside the project that bake may touch. Older buildx does not know the flag, newer ones insist."""
    if not docker.asks_for_paths:
        return ()
    certificates = (f"--allow=fs.read={settings.ca_bundle}",) if settings.ca_bundle else ()
    roots = dict.fromkeys(settings.roots.of(paths.build_cache(target)) for target in paths.TARGETS)
    return (*(f"--allow=fs={root}" for root in roots), *certificates)
