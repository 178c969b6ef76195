"""Compute the values of the bake file's variables."""

from collections.abc import Mapping

from goldi_tasks import paths
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.settings import Settings


def variables(settings: Settings, request: BuildRequest, images: Mapping[str, str]) -> dict[str, str]:
    """Return a value for every variable of the bake file, with `images` for those that name base images.

    All are set: an environment variable with the name of an unset one would override the bake file without notice.
    """
    return {
        "GOLDI_CACHE_ROOT": str(settings.cache_root),
        **{cache.root_variable: str(settings.roots.of(cache)) for cache in map(paths.build_cache, paths.TARGETS)},
        "GOLDI_PROJECT_KEY": settings.key,
        "GOLDI_PLATFORM_KEY": paths.platform_key(request.platforms),
        "GOLDI_PLATFORMS": ",".join(request.platforms),
        "GOLDI_APP": settings.app,
        "GOLDI_FRONTEND": "npm" if settings.frontend else "none",
        "GOLDI_IMAGE": (request.push and settings.pushed) or settings.image,
        "GOLDI_INSTALLER": settings.installer,
        "GOLDI_SMOKE_TEST": "1" if settings.smoke_test else "0",
        "GOLDI_CA_BUNDLE": settings.ca_bundle,
        **images,
    }
