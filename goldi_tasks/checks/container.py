"""Get the container for a check, the one of the last check or a new one, and remember what it was started with."""

import hashlib
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from goldi_tasks import __version__, network, ownership, state
from goldi_tasks.cache import cache_directories
from goldi_tasks.checks import environment, warm_container
from goldi_tasks.checks.check_arguments import ToolsContainer
from goldi_tasks.client import run_arguments, system_info
from goldi_tasks.errors import CheckLost
from goldi_tasks.settings import Settings, image_names

YOUNG = state.YOUNG
_ENGINE = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG")


@dataclass(frozen=True)
class ContainerFacts:
    """The `user` that checks run as, and a digest of the `network` configuration in the container."""

    user: str
    network: str


def ensure_container(settings: Settings, is_retry: bool) -> ToolsContainer:
    """Return the container to run in, started if `warm` is set. `is_retry` is true if it was missing a moment ago.

    Raises what a build or docker raises, and CheckLost.
    """
    facts = load(settings)
    image_id = _current_image(settings) if facts and not is_retry else ""
    if (
        facts
        and image_id
        and (tools_container := _describe(settings, image_id, facts))
        and (not settings.warm or warm_container.is_alive(tools_container))
    ):
        return tools_container
    with warm_container.hold_lock(environment.shared(settings)):
        return _start_exclusively(settings, image_id)


def _start_exclusively(settings: Settings, image_id: str) -> ToolsContainer:
    """Return the container to run in; the caller holds the lock. The image is built if `image_id` is "" or missing."""
    cache_directories.create_mount_directories(settings)
    for candidate in (image_id, ""):
        current_id = candidate or build_image(settings)
        facts = load(settings) or _collect_facts(settings)
        tools_container = _describe(settings, current_id, facts)
        if tools_container is None:
            raise CheckLost("cache directories are being removed", "Wait until `inv cache.clear` has ended")
        try:
            return _ensure_started(tools_container)
        except warm_container.NoImage as error:
            missing = error
    raise CheckLost(f"the tools image was removed: {missing}", "Run it again") from missing


def build_image(settings: Settings) -> str:
    """Build the tools image where it is stale and return its id. Raises what a build raises."""
    from goldi_tasks.bake import builds  # 30 ms, which a warm container does without

    return builds.ensure_image(settings, "tools")


def _current_image(settings: Settings) -> str:
    """Return the id of the tools image if it is up to date, else ""."""
    from goldi_tasks.bake import bake_arguments, fingerprint
    from goldi_tasks.bake.build_request import BuildRequest

    bases = image_names.base_images(settings, settings.made_images)
    return fingerprint.image(settings, "tools", bake_arguments.variables(settings, BuildRequest(("tools",)), bases))


def _ensure_started(tools_container: ToolsContainer) -> ToolsContainer:
    if tools_container.settings.warm and not (
        warm_container.is_alive(tools_container) and warm_container.is_running(tools_container.name)
    ):
        warm_container.start(tools_container)
    return tools_container


def _collect_facts(settings: Settings) -> ContainerFacts:
    host = system_info.host()
    user = "{}:{}".format(*system_info.map_owner((host.uid, host.gid)))
    configuration = network.text(settings, with_logins=False)
    facts = ContainerFacts(user, hashlib.sha256(configuration.encode(errors="surrogateescape")).hexdigest())
    remember(settings, facts, network.files(settings))
    return facts


def _describe(settings: Settings, image_id: str, facts: ContainerFacts) -> ToolsContainer | None:
    """Return the container's properties; None if a directory that it mounts is missing."""
    caches = environment.identities(_directories(settings))
    if not all(caches):
        return None
    trees = environment.find_mounted_trees(settings.project, Path.home())
    shared = environment.shared(settings)
    return ToolsContainer(settings, image_id, facts.user, trees, caches, shared, facts.network, environment.scripts())


def _directories(settings: Settings) -> list[Path]:
    """Return sources and mount points in the project of all mounts: the engine would create missing ones as root."""
    mounts = run_arguments.mounts(settings)
    mount_points = [Path(mount) for _, _, mount in mounts if Path(mount).is_relative_to(settings.project)]
    return [*(directory for _, directory, _ in mounts), *mount_points]


def load(settings: Settings) -> ContainerFacts | None:
    """Return the remembered facts, None if there are none or anything has changed."""
    try:
        remembered = json.loads(_file(settings).read_text(encoding="utf-8"))
        files = [os.fsdecode(bytes.fromhex(path)) for path in remembered["files"]]
        is_current = remembered["seen"] == _fingerprint(settings, files)[0]
        return ContainerFacts(remembered["user"], remembered["network"]) if is_current else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def remember(settings: Settings, memory: ContainerFacts, files: Iterable[Path]) -> None:
    """Remember `memory` until one of `files` changes, from which it was read.

    If the state directory cannot be written, the next check only takes longer.
    """
    paths = [*map(str, dict.fromkeys(files)), *([settings.ca_bundle] if settings.ca_bundle else [])]
    digest, newest = _fingerprint(settings, paths)
    if newest > time.time_ns() - YOUNG:
        return
    try:
        state.write(
            _file(settings),
            json.dumps({**vars(memory), "seen": digest, "files": [os.fsencode(path).hex() for path in paths]}),
        )
    except OSError:
        return


def _file(settings: Settings) -> Path:
    return state.folder("checks") / f"{settings.key}.json"


def _fingerprint(settings: Settings, files: Iterable[str]) -> tuple[str, int]:
    """Return a digest of everything that may change, and the newest change of a file in nanoseconds."""
    newest, stats = 0, []
    for path in files:
        status = _stat(path)
        newest = max(newest, status[0])
        stats.append((path, *status))
    engine = [os.environ.get(name) for name in _ENGINE]
    # These settings do not concern the network.
    settings_text = repr(replace(settings, warm=True, run="container", max_age=0, max_size=0))
    inputs = (__version__, settings_text, *ownership.owner(), engine, network.select_variables(), stats)
    return hashlib.sha256(repr(inputs).encode(errors="surrogateescape")).hexdigest(), newest


def _stat(name: str) -> tuple[int, ...]:
    """Return the ctime of a file in nanoseconds, then size, mtime, inode and mode; (0,) for a missing file."""
    try:
        status = os.stat(name)  # noqa: PTH116 - a hundred of them, before every check
    except OSError:
        return (0,)
    return (status.st_ctime_ns, status.st_size, status.st_mtime_ns, status.st_ino, status.st_mode)
