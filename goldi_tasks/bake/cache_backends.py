"""Caches that are not this machine's: in a registry, in GitHub's store, in the images that are pushed."""

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

# The longest tag, and so scope (distribution's `reference` package).
_LONGEST = 128
# BuildKit 0.12 writes a cache as a manifest that every registry takes (moby/buildkit#3724); earlier ones do not look.
_MANIFEST = "image-manifest=true,oci-mediatypes=true"


@dataclass(frozen=True)
class Store:
    """Where such caches are: `backend` as in the settings, `place` the repository of the caches or of the images.

    There is one scope for each target, branch and platform set; `branch` is "" where it is not known: then nothing is
    written, and the `main` one's is read.
    """

    backend: str
    place: str
    branch: str
    main: str
    platforms: str

    def scope(self, target: str, branch: str) -> str:
        """The name of a scope, which is a legal tag; what had to be changed for that has a hash of what it was."""
        name = f"{target}-{self.platforms}-{branch}"
        legal = re.sub(r"[^A-Za-z0-9_.-]", "-", name)
        if legal == name and len(name) <= _LONGEST:
            return name
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        return f"{legal[: _LONGEST - 9]}-{digest}"

    def refs(self, target: str) -> tuple[str, ...]:
        """What a build of `target` reads, by name: the branch's own scope, then the main one's."""
        if self.backend == "inline":
            return (f"{self.place}:{'latest' if target == 'production' else target}",)
        scopes = dict.fromkeys(self.scope(target, name) for name in (self.branch, self.main) if name)
        return tuple(f"{self.place}:{scope}" if self.place else scope for scope in scopes)

    def reads(self, target: str) -> tuple[str, ...]:
        """The same, as bake wants it."""
        return tuple(f"type=gha,scope={ref}" if self.backend == "gha" else _ref(ref) for ref in self.refs(target))

    def writes(self, target: str, docker: Docker, *, push: bool) -> str:
        """Where a build of `target` exports its cache to, as bake wants it; "" where it does not."""
        if self.backend == "inline" or not self.branch:
            return ""
        scope = self.scope(target, self.branch)
        if self.backend == "gha":
            return f"type=gha,mode=max,scope={scope}"
        # Packed like the image, so that a layer is packed and sent once.
        packed = f",{compression.LEAVES if push else compression.STAYS}" if compression.chosen(docker) else ""
        return f"{_ref(f'{self.place}:{scope}')},mode=max,{_MANIFEST}{packed}"


def choose(settings: Settings, request: BuildRequest, docker: Docker, branch: str) -> Store | None:
    """The store of a build of `request` on `branch`; None if its caches are this machine's alone.

    Raises SettingsError where the settings want one and do not say where.
    """
    backend = settings.cache_backend
    if request.push and backend == "local" and settings.cache_repository:
        backend = "registry"
    if backend in ("local", "none"):
        return None
    place = {"registry": settings.cache_repository, "inline": settings.pushed}.get(backend, "")
    if backend != "gha" and not place:
        problem = f"the settings want caches of kind {backend} and name no registry"
        raise SettingsError(problem, "Set `registry` in [tool.goldi], such as registry.example/team, or GOLDI_REGISTRY")
    # Machines of two architectures would overwrite each other's.
    platforms = paths.platform_key(request.platforms or (docker.platform,))
    return Store(backend, place, branch, settings.main_branch, platforms)


def lacks(environ: Mapping[str, str], buildx: tuple[int, ...]) -> str:
    """Which variable of GitHub's cache is missing, "" if none: only actions are given them, no `run` step is."""
    # The second version of the service has an address of its own, which buildx reads from 0.21 on.
    addresses = ("ACTIONS_CACHE_URL", "ACTIONS_RESULTS_URL") if buildx >= (0, 21) else ("ACTIONS_CACHE_URL",)
    if not any(environ.get(name) for name in addresses):
        return addresses[-1]
    return "" if environ.get("ACTIONS_RUNTIME_TOKEN") else "ACTIONS_RUNTIME_TOKEN"


def _ref(reference: str) -> str:
    return f"type=registry,ref={reference}"
