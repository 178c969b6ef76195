"""Empty cache directories: only known ones that we tagged, following no link, on one file system.

The directory itself stays, and in a `project` cache the directories of the projects: containers mount them.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from goldi_tasks import ownership
from goldi_tasks.cache import cache_directories
from goldi_tasks.cache.safe_delete import DIRECTORY, NotDeleted, Tally, empty_directory
from goldi_tasks.errors import CacheRefused, UnknownName, did_you_mean
from goldi_tasks.maintenance import root_removal
from goldi_tasks.paths import BY_NAME, CACHES, Cache, Roots


@dataclass
class CacheClearing:
    """A cache to clear: `only` is the key of one project, "" for all projects.

    `refused` is why the cache was not touched, "" if it was. `image` is the image of the container that removed the
    files of other users, "" if none ran.
    """

    cache: Cache
    folder: Path
    only: str = ""
    exists: bool = False
    refused: str = ""
    image: str = ""
    tally: Tally = field(default_factory=Tally)

    @property
    def path(self) -> Path:
        """Return the directory that is emptied."""
        return self.folder / self.only

    @property
    def keys(self) -> bool:
        """Return whether the directory holds directories of projects, which stay."""
        return self.cache.scope == "project" and not self.only


def select_caches(names: tuple[str, ...], *, every: bool, project: bool = False) -> tuple[Cache, ...]:
    """Return the caches called `names`, or all; with `project` only those of scope "project". Raises UnknownName."""
    for name in names:
        if name not in BY_NAME:
            raise UnknownName(f"no cache '{name}'", did_you_mean(name, tuple(BY_NAME)).capitalize())
        if project and BY_NAME[name].scope == "shared":
            raise UnknownName(f"'{name}' is shared by all projects", "Leave out --project to clear it for all of them")
    if not names and not every and not project:
        raise UnknownName("no cache given", "Use --name NAME or --all; `inv cache.status` lists them")
    if names and not every:
        return tuple(BY_NAME[name] for name in dict.fromkeys(names))
    return tuple(cache for cache in CACHES if cache.scope == "project" or not project)


def plan_clearing(roots: Roots, caches: Sequence[Cache], only: str = "") -> list[CacheClearing]:
    """Return a row for each cache. Raises CacheRefused if a cache root is not a directory."""
    for root in {roots.of(cache) for cache in caches}:
        if root.exists() and not root.is_dir():
            raise CacheRefused(f"{root} is not a directory", "Choose another root with GOLDI_CACHE_ROOT")
    return [CacheClearing(cache, roots.folder(cache), only) for cache in caches]


def clear(row: CacheClearing, images: Sequence[str] = (), *, dry: bool = False, strangers: bool = False) -> None:
    """Empty a cache, or with `dry` only count; `row` is updated with each file, so it is correct after Ctrl-C too.

    Files of other users are deleted by a container that runs as root, of the first of `images` that the engine has.
    With `strangers` only those files are deleted.
    """
    try:
        with cache_directories.open_directory(row.folder) as top:
            if top is not None:
                cache_directories.check_owner_and_tag(row.folder, top)
                _clear(row, top, images, dry=dry, strangers=strangers)
    except CacheRefused as error:
        row.refused = error.problem


def _clear(row: CacheClearing, top: int, images: Sequence[str], *, dry: bool, strangers: bool) -> None:
    try:
        directory = os.open(row.only or ".", DIRECTORY, dir_fd=top)
    except FileNotFoundError:
        return
    except OSError as error:
        raise CacheRefused(f"{row.path} cannot be opened: {error.strerror}: left alone") from error
    row.exists = True
    try:
        empty_directory(
            directory,
            str(row.path),
            row.tally,
            act=not dry,
            owner=ownership.owner()[0],
            keys=row.keys,
            strangers=strangers,
        )
    except OSError as error:
        row.tally.left.append(NotDeleted.of("", error))
    finally:
        os.close(directory)
    if not dry and os.geteuid() != 0 and any(entry.denied for entry in row.tally.left):
        options = {"keys": row.keys, "strangers": strangers}
        row.image = root_removal.empty_in_container(
            top, row.folder, row.only, tally=row.tally, images=images, **options
        )
