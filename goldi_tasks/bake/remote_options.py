"""What bake is told of other machines: caches that are read and written there, names and labels of what is pushed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldi_tasks import paths
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.bake.cache_backends import Store
from goldi_tasks.client.system_info import Docker
from goldi_tasks.errors import SettingsError
from goldi_tasks.settings import Settings


@dataclass(frozen=True)
class Beyond:
    """Values of `--set`: `reads` says which caches are read, `says` names and labels; `writes` is cache-to by target.

    `own` are the references of the branch's own scopes, as BuildKit names them when it reads them.
    """

    reads: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    writes: Mapping[str, str] = field(default_factory=dict)
    own: frozenset[str] = frozenset()

    @property
    def sets(self) -> tuple[str, ...]:
        """All that the build is told."""
        return (*self.reads, *self.says)


NOTHING = Beyond()


def reach(
    settings: Settings,
    docker: Docker,
    request: BuildRequest,
    store: Store | None,
    own: Mapping[str, Sequence[str]],
    labels: Mapping[str, str],
) -> Beyond:
    """What is said of each target: `own` are the caches that it reads of itself, by target; `labels` of what is pushed.

    buildx 0.13 knows no `cache-from+=`: what is set stands instead of what the bake file says, so all of it is said.
    """
    reads: list[str] = []
    if store or request.cache_from:
        for target, mine in own.items():
            ours = [*mine, *(store.reads(target) if store else ()), *request.cache_from]
            reads += [f"{target}.cache-from={text}" for text in dict.fromkeys(ours)]
    writes = {target: store.writes(target, docker, push=request.push) for target in own} if store else {}
    found = {target: to for target, to in writes.items() if to}
    refs = (
        frozenset(store.refs(target)[0] for target in found) if store and store.backend == "registry" else frozenset()
    )
    return Beyond(tuple(reads), _says(settings, request, tuple(own), labels), found, refs)


def unread(targets: Sequence[str]) -> tuple[str, ...]:
    """What is said of `targets`, so that those that have directories of ours read none of them."""
    return tuple(f"{target}.cache-from=" for target in targets if target in paths.TARGETS)


def local(directory: Path) -> str:
    """A cache in a directory of this machine, as bake wants it."""
    return f'type=local,"src={directory}"'


def of_bake(target: Mapping[str, Any]) -> list[str]:
    """The caches that a target reads, of what `bake --print` says: text, and from buildx 0.20 on fields."""
    found = target.get("cache-from") or []
    return [text if isinstance(text, str) else ",".join(f'"{key}={text[key]}"' for key in text) for text in found]


def check_pushed(
    settings: Settings, request: BuildRequest, bake_file: Mapping[str, Any], targets: Sequence[str]
) -> None:
    """Raises SettingsError where an image is to be pushed and nobody said where to."""
    named = any(".tags" in text.partition("=")[0] for text in request.sets)
    tags = [tag for target in targets for tag in bake_file["target"][target].get("tags", ())]
    if settings.pushed or named or not any("${GOLDI_IMAGE}" in tag for tag in tags):
        return
    problem = f"no registry is named that {settings.image} could be pushed to"
    raise SettingsError(problem, "Set `registry` in [tool.goldi], such as registry.example/team, or GOLDI_REGISTRY")


def _says(
    settings: Settings, request: BuildRequest, targets: tuple[str, ...], labels: Mapping[str, str]
) -> tuple[str, ...]:
    if not request.push:
        return ()
    name = settings.pushed or settings.image
    tags = [
        f"{target}.tags={name}:{tag if target == 'production' else f'{target}-{tag}'}"
        for target in targets
        for tag in request.tags
    ]
    said = [f"{target}.labels.{label}={value}" for target in targets for label, value in labels.items()]
    return (*tags, *said)
