"""Get the container for a check: the one of the last check, or a new one."""

import hashlib
from pathlib import Path

from goldi_tasks.cache import container_mounts
from goldi_tasks.checks import container_facts, environment, warm_container
from goldi_tasks.checks.check_arguments import ToolsContainer
from goldi_tasks.checks.container_facts import ContainerFacts
from goldi_tasks.client import rootless, run_arguments, system_info
from goldi_tasks.errors import CheckLost
from goldi_tasks.settings import Settings, image_names


def ensure_container(settings: Settings, is_retry: bool) -> ToolsContainer:
    """Return the container to run in, started if `warm` is set. `is_retry` is true if it was missing a moment ago.

    Raises what a build or docker raises, and CheckLost.
    """
    facts = container_facts.load(settings)
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
    container_mounts.create_mount_directories(settings)
    for candidate in (image_id, ""):
        current_id = candidate or build_image(settings)
        facts = container_facts.load(settings) or _collect_facts(settings)
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
    from goldi_tasks.bake import bake_variables, fingerprint
    from goldi_tasks.bake.build_request import BuildRequest

    bases = image_names.base_images(settings, settings.made_images)
    return fingerprint.image(settings, "tools", bake_variables.variables(settings, BuildRequest(("tools",)), bases))


def _ensure_started(tools_container: ToolsContainer) -> ToolsContainer:
    if tools_container.settings.warm and not (
        warm_container.is_alive(tools_container) and warm_container.is_running(tools_container.name)
    ):
        warm_container.start(tools_container)
    return tools_container


def _collect_facts(settings: Settings) -> ContainerFacts:
    from goldi_tasks import network  # 5 ms, only where nothing is remembered

    host = system_info.host()
    user = "{}:{}".format(*rootless.map_owner((host.uid, host.gid)))
    configuration = network.text(settings, with_logins=False)
    facts = ContainerFacts(user, hashlib.sha256(configuration.encode(errors="surrogateescape")).hexdigest())
    container_facts.remember(settings, facts, network.files(settings))
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
