"""Open a project's compose stack: choose its compose files and read its configuration."""

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
_DEFAULT_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_COMPOSE_FILE = "infrastructure/docker/docker-compose.yml"
_WATCH_FILE = "infrastructure/docker/docker-compose.watch.yml"


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables that the project's compose file asks for."""
    database = image_names.database_image(settings, settings.made_images)
    return builds.variables(settings, BuildRequest(())) | database | host_setup.variables(settings)


def open_project(settings: Settings, *, watched: bool = False) -> Compose:
    """Return how compose is called for the project. Raises NotAProject for a missing file.

    With `watched` the file with the `develop` sections is included: `docker compose watch` copies saved files.
    """
    env = environment(settings)
    if watched:
        if not (settings.project / _WATCH_FILE).is_file():
            problem = f"{settings.project} has no {_WATCH_FILE}"
            raise NotAProject(problem, "Write the file with compose's `develop` sections")
        return Compose(env, (_COMPOSE_FILE, _WATCH_FILE))
    if os.environ.get("COMPOSE_FILE") or any((settings.project / name).is_file() for name in _DEFAULT_FILES):
        return Compose(env)
    if not (settings.project / _COMPOSE_FILE).is_file():
        problem = f"{settings.project} has no compose.yaml and no {_COMPOSE_FILE}"
        raise NotAProject(problem, "Write a compose file, or copy infrastructure/docker into this project")
    return Compose(env, (_COMPOSE_FILE,))


def load(settings: Settings, compose: Compose) -> Stack:
    """Return the stack that the compose file describes. Raises SettingsError for an invalid file, NoDocker."""
    command = compose.command(("*",), "config", "--format", "json")
    try:
        return stack_model.parse(json.loads(process.capture(command, cwd=settings.project)))
    except CommandFailed as error:
        check_version()
        raise compose_errors.translate(error, settings.project) from error


def check_version() -> None:
    """Require compose 2 or newer. Raises NoDocker."""
    system_info.client()
    version = system_info.compose()
    if not version:
        raise NoDocker("docker has no compose plugin", "Install docker-compose-v2, or run `inv engine.up`")
    if version < (2,):
        version_text = ".".join(map(str, version))
        raise NoDocker(f"compose {version_text} is too old", "Install compose 2 or newer, or run `inv engine.up`")
