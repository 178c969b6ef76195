"""What a build has to do with other machines: which caches it reads and writes there, and what is said of a push."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from goldi_tasks import paths, process
from goldi_tasks.bake import build_request, cache_backends, git_state, local_cache, remote_options, revision
from goldi_tasks.client import registry_errors
from goldi_tasks.client.system_info import Docker
from goldi_tasks.settings import Settings


@dataclass(frozen=True)
class Afar:
    """What bake is told, and whether caches are kept in directories of this machine, as ever."""

    told: remote_options.Beyond = remote_options.NOTHING
    local: bool = True


def find(
    settings: Settings,
    docker: Docker,
    request: build_request.BuildRequest,
    targets: Sequence[str],
    printed: Mapping[str, Any],
    *,
    far: bool,
) -> Afar:
    """What holds for a build of `request`, which stands for `targets`; a cache that cannot be had is told and left out.

    `printed` is what `bake --print` shows. Whether a registry answers is not asked where the builder is `far`.

    Raises SettingsError where a registry is request and none is named.
    """
    local = settings.cache_backend == "local"
    # No directory of ours holds a cache then; buildx warns of each.
    unread = remote_options.unread(targets) if settings.cache_backend == "none" else ()
    if (local or unread) and not request.push and not request.cache_from:
        return Afar(remote_options.Beyond(unread), local)
    at = git_state.look(settings.project)
    store = cache_backends.choose(settings, request, docker, revision.branch(at, os.environ, settings.main_branch))
    if store and (why := _missing(store, docker, far)):
        print(f"goldi: {why}: building without it")
        store = None
    labels = revision.labels(at, os.environ) if request.push else {}
    own = _own(settings, request, targets, printed.get("target", {}))
    told = remote_options.reach(settings, docker, request, store, own, labels)
    if told.writes and not local_cache.keeps_local_cache(docker):
        print(f"goldi: this engine's store exports no {store.backend if store else ''} cache; what is there is read")
        told = remote_options.Beyond(told.reads, told.says)
    return Afar(replace(told, reads=told.reads or unread), local)


def _missing(store: cache_backends.Store, docker: Docker, far: bool) -> str:
    """Why a store cannot be had, "" if it can as far as is known here."""
    if store.backend == "gha":
        lacking = cache_backends.lacks(os.environ, docker.buildx)
        return f"GitHub's cache cannot be reached, since {lacking} is not set" if lacking else ""
    host = registry_errors.host(store.place)
    if process.is_dry() or far:
        return ""
    # Imported here: 20 ms of http and TLS that a build without a registry has no use for.
    from goldi_tasks.client import registry

    why = registry.trouble(host)
    return f"the cache registry {host} does not answer ({why})" if why else ""


def _own(
    settings: Settings, request: build_request.BuildRequest, targets: Sequence[str], printed: Mapping[str, Any]
) -> dict[str, Sequence[str]]:
    """The caches that each of `targets` reads of itself: its directory; what the bake file says of other targets."""
    others = {target for target in targets if target not in paths.TARGETS} & printed.keys()
    directories = {target: local_cache.cache_directory(settings, target, request.platforms) for target in paths.TARGETS}

    def mine(target: str) -> list[str]:
        return [] if settings.cache_backend == "none" else [remote_options.local(directories[target])]

    return {target: remote_options.of_bake(printed[target]) if target in others else mine(target) for target in targets}
