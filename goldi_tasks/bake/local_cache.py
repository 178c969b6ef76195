"""Locate the local caches, which are directories outside of the builder, and make bake's flags for them."""

from pathlib import Path

from goldi_tasks import paths
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.client.system_info import BUILDER, Docker
from goldi_tasks.settings import Settings


def cache_directory(settings: Settings, target: str, platforms: tuple[str, ...]) -> Path:
    """Return the directory of the local cache of `target` for this project and platform set, as in the bake file."""
    return settings.roots.path(paths.build_cache(target), settings.key) / paths.platform_key(platforms)


def keeps_local_cache(docker: Docker) -> bool:
    """Return whether the current builder or the guide's own builder can export a local cache."""
    return docker.exports_local or BUILDER in docker.builders


def is_export_enabled(docker: Docker, request: BuildRequest) -> bool:
    """Return whether to export the local caches of this build: it is possible, and no `--set` changes `cache-to`."""
    return keeps_local_cache(docker) and not request.push and not any(".cache-to" in text for text in request.sets)


def flags(docker: Docker, request: BuildRequest, has_remote_cache: bool = False) -> tuple[str, ...]:
    """Return the flags that turn off those cache exports of the bake file (local, inline) that do not apply here.

    An inline cache is for those who pull the image, and gives it a new id on every build, so only a pushed image gets
    one. A local export is an error where the builder cannot do it (docker/buildx#701). Local and remote caches are
    exported by a separate command after the build.
    """
    if request.push:
        return () if keeps_local_cache(docker) and not has_remote_cache else ("--set", "*.cache-to=type=inline")
    return ("--set", "*.cache-to=")


def allowed(settings: Settings, docker: Docker) -> tuple[str, ...]:
    """Return the `--allow` flags for paths outside the project that bake uses.

    Newer releases of buildx ask for them, older ones do not know the flag.
    """
    if not docker.asks_for_paths:
        return ()
    certificates = (f"--allow=fs.read={settings.ca_bundle}",) if settings.ca_bundle else ()
    roots = dict.fromkeys(settings.roots.of(paths.build_cache(target)) for target in paths.TARGETS)
    return (*(f"--allow=fs={root}" for root in roots), *certificates)
