"""What a build has to do with other machines: which caches it reads and writes there, and what is said of a push."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from goldi_tasks import paths, run
from goldi_tasks.build.afar import git
from goldi_tasks.plan import bake as plan
from goldi_tasks.plan import registry, revision
from goldi_tasks.probe import Docker
from goldi_tasks.settings import Settings


@dataclass(frozen=True)
class Afar:
    """What bake is told, and whether caches are kept in directories of this machine, as ever."""

    told: plan.Beyond = plan.NOTHING
    local: bool = True


def find(
    settings: Settings,
    docker: Docker,
    wanted: plan.Wanted,
    targets: Sequence[str],
    printed: Mapping[str, Any],
    *,
    far: bool,
) -> Afar:
    """What holds for a build of `wanted`, which stands for `targets`; a cache that cannot be had is told and left out.

    `printed` is what `bake --print` shows. Whether a registry answers is not asked where the builder is `far`.

    Raises SettingsError where a registry is wanted and none is named.
    """
    local = settings.cache_backend == "local"
    # No directory of ours holds a cache then; buildx warns of each.
    unread = plan.unread(targets) if settings.cache_backend == "none" else ()
    if (local or unread) and not wanted.push and not wanted.cache_from:
        return Afar(plan.Beyond(unread), local)
    at = git.look(settings.project)
    store = plan.choose(settings, wanted, docker, revision.branch(at, os.environ, settings.main_branch))
    if store and (why := _missing(store, docker, far)):
        print(f"goldi: {why}: building without it")
        store = None
    labels = revision.labels(at, os.environ) if wanted.push else {}
    own = _own(settings, wanted, targets, printed.get("target", {}))
    told = plan.reach(settings, docker, wanted, store, own, labels)
    if told.writes and not plan.keeps_local_cache(docker):
        print(f"goldi: this engine's store exports no {store.backend if store else ''} cache; what is there is read")
        told = plan.Beyond(told.reads, told.says)
    return Afar(replace(told, reads=told.reads or unread), local)


def _missing(store: plan.Store, docker: Docker, far: bool) -> str:
    """Why a store cannot be had, "" if it can as far as is known here."""
    if store.backend == "gha":
        lacking = plan.lacks(os.environ, docker.buildx)
        return f"GitHub's cache cannot be reached, since {lacking} is not set" if lacking else ""
    host = registry.host(store.place)
    if run.is_dry() or far:
        return ""
    # Imported here: 20 ms of http and TLS that a build without a registry has no use for.
    from goldi_tasks.build.afar import answers

    why = answers.trouble(host)
    return f"the cache registry {host} does not answer ({why})" if why else ""


def _own(
    settings: Settings, wanted: plan.Wanted, targets: Sequence[str], printed: Mapping[str, Any]
) -> dict[str, Sequence[str]]:
    """The caches that each of `targets` reads of itself: its directory; what the bake file says of other targets."""
    others = {target for target in targets if target not in paths.TARGETS} & printed.keys()
    directories = {target: plan.cache_directory(settings, target, wanted.platforms) for target in paths.TARGETS}

    def mine(target: str) -> list[str]:
        return [] if settings.cache_backend == "none" else [plan.local(directories[target])]

    return {target: plan.of_bake(printed[target]) if target in others else mine(target) for target in targets}
