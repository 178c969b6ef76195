"""Prepare this machine for the containers of a project: cache directories, the network file and `.env`."""

import sys
from collections.abc import Callable
from pathlib import Path

from goldi_tasks import envfile, inside_container, ownership, process, state
from goldi_tasks import settings as project
from goldi_tasks.bake import bakefile
from goldi_tasks.cache import container_mounts
from goldi_tasks.client import rootless
from goldi_tasks.compose import compose_arguments
from goldi_tasks.errors import GoldiError, NoPermission, NotAProject
from goldi_tasks.settings import Settings


def plan(settings: Settings) -> Callable[[], None]:
    """Look at what the containers need of this machine; return the function that makes and writes it.

    That one makes what they mount, and writes the network file and `.env`. It raises CacheRefused, NoPermission.
    """
    inside_container.expect_outside()
    from goldi_tasks import network  # 5 ms

    file, text, values = _network_file(settings), network.text(settings, "npm"), variables(settings)
    roots = {name: values[name] or None for name in settings.roots.variables}

    def write() -> None:
        container_mounts.prepare(settings)
        try:
            # Who called sudo is whom the services run as.
            state.rewrite(file, text, ownership.owner())
            envfile.write(settings.env_file, values | roots)
        except OSError as error:
            path = error.filename or settings.env_file
            raise NoPermission(f"{path} cannot be written: {error.strerror}", "Make it yours") from error

    return write


def prepare_project(start: Path) -> None:
    """Prepare for builds and plain compose in the project around `start`; outside of a project do nothing.

    Raises EngineFailed, NoPermission.
    """
    from goldi_tasks.engine import base_images

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
        # The engine is up all the same; what needs the caches fails by itself.
        print(f"goldi: {error}", file=sys.stderr, flush=True)


def variables(settings: Settings) -> dict[str, str]:
    """Return what compose has to know of this machine, as variables."""
    user = rootless.numbers(ownership.owner())
    return compose_arguments.machine(settings, user, _network_file(settings))


def forget_logins(settings: Settings) -> None:
    """Empty the file that tells services of the network; compose needs the file to exist."""
    if (file := _network_file(settings)).is_file():
        state.rewrite(file, "")


def _network_file(settings: Settings) -> Path:
    """Return the file that tells containers of the host's network as long as they run."""
    return state.folder("network") / settings.key
