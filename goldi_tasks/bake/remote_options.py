"""Make the values of `--set` for remote caches, and for the tags and labels of pushed images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldi_tasks import paths
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.bake.cache_backends import CacheStore
from goldi_tasks.client.system_info import Docker
from goldi_tasks.errors import SettingsError
from goldi_tasks.settings import Settings


@dataclass(frozen=True)
class RemoteOptions:
    """Values of `--set` for caches to import (`cache_from`) and for `tags_and_labels`; `cache_to` values by target.

    `own_refs` are the references of the scopes of the current branch, as BuildKit's log names them at the import.
    """

    cache_from: tuple[str, ...] = ()
    tags_and_labels: tuple[str, ...] = ()
    cache_to: Mapping[str, str] = field(default_factory=dict)
    own_refs: frozenset[str] = frozenset()

    @property
    def sets(self) -> tuple[str, ...]:
        """Return the values of `--set` for the build itself; caches are exported after it."""
        return (*self.cache_from, *self.tags_and_labels)


NOTHING = RemoteOptions()


def make_options(
    settings: Settings,
    docker: Docker,
    request: BuildRequest,
    store: CacheStore | None,
    target_caches: Mapping[str, Sequence[str]],
    labels: Mapping[str, str],
) -> RemoteOptions:
    """Return the overrides for the targets of `target_caches`, which holds the caches that each reads already.

    `labels` are those of pushed images. buildx 0.13 has no `cache-from+=`: `--set` replaces the value of the bake file,
    so the caches of the target are repeated.
    """
    cache_from: list[str] = []
    cache_to: dict[str, str] = {}
    own_refs: set[str] = set()
    for target, caches in target_caches.items():
        if store or request.cache_from:
            sources = dict.fromkeys([*caches, *(store.cache_from(target) if store else ()), *request.cache_from])
            cache_from += [f"{target}.cache-from={source}" for source in sources]
        if store and (destination := store.cache_to(target, docker, push=request.push)):
            cache_to[target] = destination
            own_refs |= {store.refs(target)[0]} if store.backend == "registry" else set()
    tags_and_labels = _tags_and_labels(settings, request, tuple(target_caches), labels)
    return RemoteOptions(tuple(cache_from), tags_and_labels, cache_to, frozenset(own_refs))


def unread(targets: Sequence[str]) -> tuple[str, ...]:
    """Return the values of `--set` with which those `targets` that have local cache directories import no cache."""
    return tuple(f"{target}.cache-from=" for target in targets if target in paths.TARGETS)


def local(directory: Path) -> str:
    """Return the value of `cache-from` for a local cache in `directory`."""
    return f'type=local,"src={directory}"'


def of_bake(target: Mapping[str, Any]) -> list[str]:
    """Return the `cache-from` values of a target of `bake --print`: strings, from buildx 0.20 on objects."""
    sources = target.get("cache-from") or []
    return [
        source if isinstance(source, str) else ",".join(f'"{key}={source[key]}"' for key in source)
        for source in sources
    ]


def check_pushed(
    settings: Settings, request: BuildRequest, bake_file: Mapping[str, Any], targets: Sequence[str]
) -> None:
    """Check that the images to push name a registry. Raises SettingsError."""
    has_own_tags = any(".tags" in text.partition("=")[0] for text in request.sets)
    tags = [tag for target in targets for tag in bake_file["target"][target].get("tags", ())]
    if settings.pushed or has_own_tags or not any("${GOLDI_IMAGE}" in tag for tag in tags):
        return
    problem = f"no registry is set to push {settings.image} to"
    raise SettingsError(problem, "Set `registry` in [tool.goldi], such as registry.example/team, or GOLDI_REGISTRY")


def _tags_and_labels(
    settings: Settings, request: BuildRequest, targets: tuple[str, ...], labels: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the values of `--set` for the tags and labels of pushed images; nothing for other builds."""
    if not request.push:
        return ()
    name = settings.pushed or settings.image
    tags = [
        f"{target}.tags={name}:{tag if target == 'production' else f'{target}-{tag}'}"
        for target in targets
        for tag in request.tags
    ]
    label_sets = [f"{target}.labels.{label}={value}" for target in targets for label, value in labels.items()]
    return (*tags, *label_sets)
