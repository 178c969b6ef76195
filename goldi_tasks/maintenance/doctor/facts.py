"""Hold what the doctor knows of the machine, as values: `probe` fills them in, `*_findings` judge them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldi_tasks.client.system_info import Docker
from goldi_tasks.engine.emulation import Handler
from goldi_tasks.errors import GoldiError


@dataclass(frozen=True)
class Space:
    """A file system: bytes and inodes, `free` for this user; `inodes` is 0 where their number is not fixed."""

    total: int
    free: int
    inodes: int = 0
    inodes_free: int = 0
    read_only: bool = False


@dataclass(frozen=True)
class Root:
    """A cache root, with the type (`kind`) and the `space` of the file system that it is on, or will be on."""

    path: Path
    exists: bool
    kind: str
    space: Space | None = None


@dataclass(frozen=True)
class Folder:
    """A cache directory: `mode` and `uid` from lstat; `mode` is None if it does not exist.

    `strangers` are paths in it that belong to another user, `unread` directories that could not be read; `whole` is
    whether the search ended in time.
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
    """A registry, and whether it answered; `image` is a base image that is missing on this machine, "" if none is."""

    host: str
    answers: bool
    image: str = ""


@dataclass(frozen=True)
class Answers:
    """All that was collected.

    - `owner`: the user id that owns the caches. `unknown`: directories named like build caches that are none.
    - `late`: the questions without an answer in time. `problem`: why `docker` and what depends on it is unknown.
    - `info`: what `docker info` prints. `compose`: the version, () without the plugin, None if unknown.
    - `data`: the file system of the engine's data. `invisible_roots`: cache roots that the engine does not see.
    - `builder`: its name; `inspect`: what buildx prints of it; `start_error`: why it does not start, "" if it does.
    - `env`: the variables in the project's .env, None outside a project; `expected_env`: those that the settings give.
    - `volumes`: the devices of the project's bind volumes, by name. `cache_paths`: those of the settings.
    - `leftovers`: paths in the project that belong to another user.
    - `settings_builder`: the builder that the settings choose, "" for the current one.
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
    invisible_roots: tuple[Path, ...] = ()
    builder: str = ""
    inspect: str = ""
    start_error: str = ""
    handlers: tuple[Handler, ...] = ()
    selinux: bool = False
    registries: tuple[Registry, ...] = ()
    env: Mapping[str, str] | None = None
    expected_env: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    cache_paths: frozenset[str] = frozenset()
    leftovers: tuple[Path, ...] = ()
    settings_builder: str = ""
