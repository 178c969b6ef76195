"""Choose the remote caches of a build, and the tags and labels of what it pushes."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from goldi_tasks import paths, process
from goldi_tasks.bake import bake_arguments, build_request, cache_backends, git_state, remote_options, revision
from goldi_tasks.client import registry_errors
from goldi_tasks.client.system_info import Docker
from goldi_tasks.settings import Settings


@dataclass(frozen=True)
class CachePlan:
    """The caches of a build: bake's `options` for remote caches, and whether it uses local cache directories too."""

    options: remote_options.RemoteOptions = remote_options.NOTHING
    uses_local_caches: bool = True


def find(
    settings: Settings,
    docker: Docker,
    request: build_request.BuildRequest,
    targets: Sequence[str],
    printed: Mapping[str, Any],
    *,
    is_remote_builder: bool,
) -> CachePlan:
    """Return the caches for a build of `targets`; a remote cache that is not available is left out with a message.

    `printed` is the output of `bake --print`. With a remote builder the registry is not tried from this machine.
    Raises SettingsError where the settings choose a registry cache and name no registry.
    """
    uses_local_caches = settings.cache_backend == "local"
    # With the backend "none" no local cache directory is filled, and buildx would warn of each missing one.
    no_imports = remote_options.unread(targets) if settings.cache_backend == "none" else ()
    if (uses_local_caches or no_imports) and not request.push and not request.cache_from:
        return CachePlan(remote_options.RemoteOptions(no_imports), uses_local_caches)
    checkout = git_state.read_checkout(settings.project)
    branch = revision.branch(checkout, os.environ, settings.main_branch)
    store = cache_backends.choose(settings, request, docker, branch)
    if store and (problem := _find_problem(store, docker, is_remote_builder)):
        print(f"goldi: {problem}: building without it")
        store = None
    labels = revision.labels(checkout, os.environ) if request.push else {}
    target_caches = _target_caches(settings, request, targets, printed.get("target", {}))
    options = remote_options.make_options(settings, docker, request, store, target_caches, labels)
    if options.cache_to and not bake_arguments.keeps_local_cache(docker):
        print(f"goldi: this engine's store cannot export a {store.backend if store else ''} cache, it only imports it")
        options = remote_options.RemoteOptions(options.cache_from, options.tags_and_labels)
    return CachePlan(replace(options, cache_from=options.cache_from or no_imports), uses_local_caches)


def _find_problem(store: cache_backends.CacheStore, docker: Docker, is_remote_builder: bool) -> str:
    """Return why a store is not available, "" if this machine sees no reason."""
    if store.backend == "gha":
        variable = cache_backends.find_missing_variable(os.environ, docker.buildx)
        return f"GitHub's cache cannot be reached, since {variable} is not set" if variable else ""
    host = registry_errors.host(store.repository)
    if process.is_dry() or is_remote_builder:
        return ""
    # Imported here: http and TLS take 20 ms, and a build without a registry does not need them.
    from goldi_tasks.client import registry

    problem = registry.find_connection_error(host)
    return f"the cache registry {host} does not answer ({problem})" if problem else ""


def _target_caches(
    settings: Settings, request: build_request.BuildRequest, targets: Sequence[str], printed: Mapping[str, Any]
) -> dict[str, Sequence[str]]:
    """Return the caches that each of `targets` imports anyway, by target.

    That is the local cache directory for the guide's own targets, and the `cache-from` of the bake file for others.
    """
    project_targets = {target for target in targets if target not in paths.TARGETS} & printed.keys()
    directories = {
        target: bake_arguments.cache_directory(settings, target, request.platforms) for target in paths.TARGETS
    }

    def caches(target: str) -> list[str]:
        if target in project_targets:
            return remote_options.of_bake(printed[target])
        return [] if settings.cache_backend == "none" else [remote_options.local(directories[target])]

    return {target: caches(target) for target in targets}
