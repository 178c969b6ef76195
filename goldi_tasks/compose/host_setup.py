"""Prepare this machine for a project's containers: cache directories, network file, `.env`, the database's image."""

import sys
from collections.abc import Callable
from pathlib import Path

from goldi_tasks import envfile, inside_container, network, ownership, process, state
from goldi_tasks import settings as project
from goldi_tasks.bake import bakefile, builds, summary
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.cache import cache_directories
from goldi_tasks.client import system_info
from goldi_tasks.compose import compose_arguments
from goldi_tasks.engine import base_images
from goldi_tasks.errors import GoldiError, NoPermission, NotAProject
from goldi_tasks.settings import Settings, image_names


def plan(settings: Settings) -> Callable[[], None]:
    """Determine what the containers need on this machine; return the function that creates it.

    The function creates the mounted directories, the network file and `.env`. It raises CacheRefused, NoPermission.
    """
    inside_container.expect_outside()
    network_file, network_text, values = _network_file(settings), network.text(settings, "npm"), variables(settings)
    roots = {name: values[name] or None for name in settings.roots.variables}

    def write() -> None:
        cache_directories.create_mount_directories(settings)
        try:
            # The services run as the user who called sudo.
            state.rewrite(network_file, network_text, ownership.owner())
            envfile.write(settings.env_file, values | roots)
        except OSError as error:
            path = error.filename or settings.env_file
            raise NoPermission(f"{path} cannot be written: {error.strerror}", "Change its owner to yourself") from error

    return write


def prepare_project(start: Path) -> None:
    """Prepare for builds and plain compose in the project around `start`; outside of a project do nothing.

    Raises EngineFailed, NoPermission.
    """
    try:
        settings = project.load(start)
    except NotAProject:
        return
    base_images.ensure(settings, database=bakefile.builds_database(settings))
    if process.is_dry() or not settings.env_file.with_name("docker-compose.yml").is_file():
        return
    try:
        plan(settings)()
    except GoldiError as error:
        # The engine is up anyway. A task that needs the caches reports its own error.
        print(f"goldi: {error}", file=sys.stderr, flush=True)


def variables(settings: Settings) -> dict[str, str]:
    """Return the variables with which compose learns about this machine."""
    user = system_info.map_owner(ownership.owner())
    return compose_arguments.machine(settings, user, _network_file(settings))


def forget_logins(settings: Settings) -> None:
    """Empty the network file, which may hold passwords of proxies; compose needs the file to exist."""
    if (file := _network_file(settings)).is_file():
        state.rewrite(file, "")


def _network_file(settings: Settings) -> Path:
    """Return the file with the host's network settings that the running containers mount."""
    return state.folder("network") / settings.key


def provide(settings: Settings, image: str) -> bool:
    """Build the database's image if `image` is it and is not available; return whether `.env` was changed."""
    built_image = image_names.DATABASE_MADE
    is_database = image == built_image or (image.startswith("postgres:") and not settings.postgres_image)
    if process.is_dry() or not is_database or not bakefile.builds_database(settings) or base_images.is_available(image):
        return False
    if image != built_image:
        print(f"no registry answers: {settings.env_file} names {built_image} instead of {image}")
    builds.build_targets(settings, BuildRequest(("postgres",)), summary.show_if_built)
    return envfile.write(settings.env_file, image_names.BUILT)
