"""The project's stack: how compose is called for it, and what its file says."""

import json
import os

from goldi_tasks import process
from goldi_tasks.bake import builds
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.client import system_info
from goldi_tasks.compose import compose_errors, host_setup, stack_model
from goldi_tasks.compose.compose_arguments import Compose
from goldi_tasks.compose.stack_model import Stack
from goldi_tasks.errors import CommandFailed, NoDocker, NotAProject
from goldi_tasks.settings import Settings, image_names

# What compose looks for by itself (compose-spec, "Compose file").
_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_OURS = "infrastructure/docker/docker-compose.yml"
_WATCH = "infrastructure/docker/docker-compose.watch.yml"


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables that the project's compose file asks for."""
    database = image_names.database_image(settings, settings.made_images)
    return builds.variables(settings, BuildRequest(())) | database | host_setup.variables(settings)


def open_project(settings: Settings, *, watched: bool = False) -> Compose:
    """Return how compose is called; with `watched` it sends what is saved. Raises NotAProject for a missing file."""
    env = environment(settings)
    if watched:
        if not (settings.project / _WATCH).is_file():
            problem = f"{settings.project} has no {_WATCH}"
            raise NotAProject(problem, "Write what is to be watched there, see compose's `develop`")
        return Compose(env, (_OURS, _WATCH))
    if os.environ.get("COMPOSE_FILE") or any((settings.project / name).is_file() for name in _NAMES):
        return Compose(env)
    if not (settings.project / _OURS).is_file():
        problem = f"{settings.project} has no compose.yaml and no {_OURS}"
        raise NotAProject(problem, "Write one, or copy infrastructure/docker into this project")
    return Compose(env, (_OURS,))


def load(settings: Settings, compose: Compose) -> Stack:
    """The stack. Raises SettingsError where the file is wrong, NoDocker."""
    command = compose.command(("*",), "config", "--format", "json")
    try:
        return stack_model.parse(json.loads(process.capture(command, cwd=settings.project)))
    except CommandFailed as error:
        check_version()
        raise compose_errors.explained(error, settings.project) from error


def check_version() -> None:
    """Raises NoDocker where docker has no compose, or one older than 2."""
    system_info.client()
    found = system_info.compose()
    if not found:
        raise NoDocker("docker has no compose plugin", "Install docker-compose-v2, or run `inv engine.up`")
    if found < (2,):
        told = ".".join(map(str, found))
        raise NoDocker(f"compose {told} is too old", "Install compose 2 or newer, or run `inv engine.up`")
