"""What the doctor asks for, as values: `ask` fills them in, the other modules judge them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldi_tasks.client.system_info import Docker
from goldi_tasks.engine.emulation import Handler
from goldi_tasks.errors import GoldiError


@dataclass(frozen=True)
class Space:
    """A file system: `free` is what this user may still fill; no `inodes` where it has no fixed number of them."""

    total: int
    free: int
    inodes: int = 0
    inodes_free: int = 0
    read_only: bool = False


@dataclass(frozen=True)
class Root:
    """A directory that holds caches; `space` is of the file system it is on or will be. `kind` is that one's type."""

    path: Path
    exists: bool
    kind: str
    space: Space | None = None


@dataclass(frozen=True)
class Folder:
    """A cache directory: `mode` and `uid` as lstat has them, None if it is not there.

    `strangers` are paths in it that belong to another user, `unread` what could not be looked into; `whole` is whether
    there was time to look at all of it.
    """

    name: str
    path: Path
    mode: int | None = None
    uid: int = 0
    tagged: bool = False
    empty: bool = False
    strangers: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    whole: bool = True


@dataclass(frozen=True)
class Registry:
    """A registry that an image comes from, and whether it answered; `image` is "" if none is needed from it."""

    host: str
    answers: bool
    image: str = ""


@dataclass(frozen=True)
class Answers:
    """All of them. `owner` is whose the caches are, `late` which questions had no answer in time.

    `problem` is why `docker` or what depends on it is unknown. `unseen` are roots that the engine does not see,
    `builder` is the builder's name, `inspect` what buildx prints of it and `dead` why it does not start, "" if it
    does. `env` is the project's .env as it is, and
    `wanted` what it would say now; `volumes` are the project's, by name, with the directories they were made for.
    `homes` is where the settings have caches now, `leftovers` what in the project is another user's.
    `elsewhere` is the builder that the settings choose, "" for the current one.
    """

    owner: int = 0
    roots: tuple[Root, ...] = ()
    folders: tuple[Folder, ...] = ()
    unknown: tuple[Path, ...] = ()
    late: tuple[str, ...] = ()
    problem: GoldiError | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    docker: Docker | None = None
    compose: tuple[int, ...] | None = None
    data: Space | None = None
    unseen: tuple[Path, ...] = ()
    builder: str = ""
    inspect: str = ""
    dead: str = ""
    handlers: tuple[Handler, ...] = ()
    selinux: bool = False
    registries: tuple[Registry, ...] = ()
    env: Mapping[str, str] | None = None
    wanted: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    homes: frozenset[str] = frozenset()
    leftovers: tuple[Path, ...] = ()
    elsewhere: str = ""
