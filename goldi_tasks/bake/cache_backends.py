"""Choose where remote caches are stored: in a registry, in GitHub's cache service, or inline in pushed images."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from goldi_tasks import paths
from goldi_tasks.bake import compression
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.client.system_info import Docker
from goldi_tasks.errors import SettingsError
from goldi_tasks.settings import Settings

# Characters of the longest tag, and so of the longest scope (distribution's `reference` package).
_MAX_TAG = 128
# From BuildKit 0.12 on these write a cache manifest that every registry accepts (moby/buildkit#3724); earlier releases
# ignore them.
_MANIFEST = "image-manifest=true,oci-mediatypes=true"


@dataclass(frozen=True)
class CacheStore:
    """A remote cache store: `backend` as in the settings, `repository` that holds the caches or the images.

    Each target, branch and platform set has one scope. `branch` is "" where it is unknown: then nothing is written, and
    only the scope of the branch `main` is read.
    """

    backend: str
    repository: str
    branch: str
    main: str
    platforms: str

    def scope(self, target: str, branch: str) -> str:
        """Return the name of a scope, a valid tag: an invalid or long name is changed and gets its hash."""
        name = f"{target}-{self.platforms}-{branch}"
        tag = re.sub(r"[^A-Za-z0-9_.-]", "-", name)
        if tag == name and len(name) <= _MAX_TAG:
            return name
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        return f"{tag[: _MAX_TAG - 9]}-{digest}"

    def refs(self, target: str) -> tuple[str, ...]:
        """Return the caches that a build of `target` reads: the scope of its branch, then the main branch's."""
        if self.backend == "inline":
            return (f"{self.repository}:{'latest' if target == 'production' else target}",)
        scopes = dict.fromkeys(self.scope(target, name) for name in (self.branch, self.main) if name)
        return tuple(f"{self.repository}:{scope}" if self.repository else scope for scope in scopes)

    def cache_from(self, target: str) -> tuple[str, ...]:
        """Return the values of `cache-from` for `target`."""
        return tuple(
            f"type=gha,scope={ref}" if self.backend == "gha" else _registry_cache(ref) for ref in self.refs(target)
        )

    def cache_to(self, target: str, docker: Docker, *, push: bool) -> str:
        """Return the value of `cache-to` for `target`; "" if its cache is not exported."""
        if self.backend == "inline" or not self.branch:
            return ""
        scope = self.scope(target, self.branch)
        if self.backend == "gha":
            return f"type=gha,mode=max,scope={scope}"
        # Compressed like the image, so that a layer is compressed and sent once.
        options = (
            f",{compression.PUSH_COMPRESSION if push else compression.LOCAL_COMPRESSION}"
            if compression.is_supported(docker)
            else ""
        )
        return f"{_registry_cache(f'{self.repository}:{scope}')},mode=max,{_MANIFEST}{options}"


def choose(settings: Settings, request: BuildRequest, docker: Docker, branch: str) -> CacheStore | None:
    """Return the remote cache store for a build of `request` on `branch`; None if only local caches are used.

    Raises SettingsError where the settings choose a remote cache and name no registry.
    """
    backend = settings.cache_backend
    if request.push and backend == "local" and settings.cache_repository:
        backend = "registry"
    if backend in ("local", "none"):
        return None
    repository = {"registry": settings.cache_repository, "inline": settings.pushed}.get(backend, "")
    if backend != "gha" and not repository:
        problem = f"the cache backend {backend} needs a registry, and no registry is set"
        raise SettingsError(problem, "Set `registry` in [tool.goldi], such as registry.example/team, or GOLDI_REGISTRY")
    # Without the platform in the scope, machines of two architectures would overwrite each other's caches.
    platforms = paths.platform_key(request.platforms or (docker.platform,))
    return CacheStore(backend, repository, branch, settings.main_branch, platforms)


def find_missing_variable(environ: Mapping[str, str], buildx: tuple[int, ...]) -> str:
    """Return which environment variable of GitHub's cache service is missing, "" if none.

    GitHub sets them for actions only, not for `run` steps.
    """
    # Version 2 of the service has its own address, which buildx reads from 0.21 on.
    addresses = ("ACTIONS_CACHE_URL", "ACTIONS_RESULTS_URL") if buildx >= (0, 21) else ("ACTIONS_CACHE_URL",)
    if not any(environ.get(name) for name in addresses):
        return addresses[-1]
    return "" if environ.get("ACTIONS_RUNTIME_TOKEN") else "ACTIONS_RUNTIME_TOKEN"


def _registry_cache(reference: str) -> str:
    return f"type=registry,ref={reference}"
