"""The container that a check runs in: known from the last one, or found out and started."""

import hashlib
from pathlib import Path

from goldi_tasks.cache import container_mounts
from goldi_tasks.checks import container_facts, environment, warm_container
from goldi_tasks.checks.check_arguments import Tools
from goldi_tasks.checks.container_facts import Memory
from goldi_tasks.client import rootless, run_arguments, system_info
from goldi_tasks.errors import CheckLost
from goldi_tasks.settings import Settings, image_names


def tools(settings: Settings, again: bool) -> Tools:
    """The container to run in, which runs if one is kept; `again` if it was just found missing."""
    known = container_facts.recall(settings)
    image = _current_image(settings) if known and not again else ""
    if (
        known
        and image
        and (made := _made(settings, image, known))
        and (not settings.warm or warm_container.alive(made))
    ):
        return made
    with warm_container.alone(environment.shared(settings)):
        return _ready(settings, image)


def _ready(settings: Settings, image: str) -> Tools:
    """The same, with nobody else at it; `image` is built where it is "" or gone."""
    container_mounts.prepare(settings)
    for one in (image, ""):
        made = _made(settings, one or build_image(settings), container_facts.recall(settings) or _find_out(settings))
        if made is None:
            raise CheckLost("cache directories are being removed", "Wait until `inv cache.clear` has ended")
        try:
            return _started(made)
        except warm_container.NoImage as error:
            gone = error
    raise CheckLost(f"the tools image is gone: {gone}", "Run it again") from gone


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


def _started(tools: Tools) -> Tools:
    if tools.settings.warm and not (warm_container.alive(tools) and warm_container.running(tools.name)):
        warm_container.start(tools)
    return tools


def _find_out(settings: Settings) -> Memory:
    from goldi_tasks import network  # 5 ms, for those who have something to find out

    host = system_info.host()
    user = "{}:{}".format(*rootless.numbers((host.uid, host.gid)))
    told = network.text(settings, with_logins=False)
    known = Memory(user, hashlib.sha256(told.encode(errors="surrogateescape")).hexdigest())
    container_facts.keep(settings, known, network.files(settings))
    return known


def _made(settings: Settings, image: str, known: Memory) -> Tools | None:
    """The container for what is known; None if a directory is missing that it mounts."""
    caches = environment.identities(_directories(settings))
    if not all(caches):
        return None
    trees = environment.trees(settings.project, Path.home())
    shared = environment.shared(settings)
    return Tools(settings, image, known.user, trees, caches, shared, known.network, environment.scripts())


def _directories(settings: Settings) -> list[Path]:
    """What containers mount, and where in the project they mount it: the engine would make these, as root."""
    mounts = run_arguments.mounts(settings)
    inside = [Path(mount) for _, _, mount in mounts if Path(mount).is_relative_to(settings.project)]
    return [*(directory for _, directory, _ in mounts), *inside]
