"""The project's stack: how compose is called for it, and what its file says."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from goldi_tasks import process
from goldi_tasks.client import system_info
from goldi_tasks.compose import compose_errors, stack_model
from goldi_tasks.compose.compose_arguments import Compose
from goldi_tasks.compose.stack_model import Stack
from goldi_tasks.errors import CommandFailed, NoDocker, NotAProject
from goldi_tasks.settings import Settings

# What compose looks for by itself (compose-spec, "Compose file").
_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_OURS = "infrastructure/docker/docker-compose.yml"
_WATCH = "infrastructure/docker/docker-compose.watch.yml"


@dataclass(frozen=True)
class Doors:
    """What the stack needs of other rooms.

    `env` gives what the compose file asks for; `secrets` what build steps are told of the network, and `forget` takes
    from the machine what services were told of it. `set_up` looks at
    what is needed of this machine, and gives what makes and writes it. `targets()` are bake's; `fresh` says whether
    some are up to date, `build` brings them there. `provide` sees to an image that is not built here, and says whether
    it has another name now.
    """

    env: Callable[[], Mapping[str, str]]
    secrets: Callable[[], Mapping[str, str]]
    forget: Callable[[], None]
    set_up: Callable[[], Callable[[], None]]
    targets: Callable[[], Sequence[str]]
    fresh: Callable[[Sequence[str]], bool]
    build: Callable[[Sequence[str]], None]
    provide: Callable[[str], bool]


def door(settings: Settings, env: Mapping[str, str], *, watched: bool = False) -> Compose:
    """How compose is called; `watched` where it sends what is saved. Raises NotAProject where a file is missing."""
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
