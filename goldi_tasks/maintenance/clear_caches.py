"""Empty cache directories: only those of the table that we tagged, following no link, on one file system.

The directory itself stays, and in a `project` cache those of the projects: containers have them mounted.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from goldi_tasks import ownership
from goldi_tasks.cache import cache_directories
from goldi_tasks.cache.safe_delete import DIRECTORY, Left, Tally, walk
from goldi_tasks.errors import CacheRefused, UnknownName, did_you_mean
from goldi_tasks.maintenance import root_removal
from goldi_tasks.paths import BY_NAME, CACHES, Cache, Roots


@dataclass
class Row:
    """A cache that is cleared, or would be: `only` is the project it is about, "" for all of them.

    `refused` says why it is left alone altogether, `image` in what image a container finished the work.
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
        """The directory that is emptied."""
        return self.folder / self.only

    @property
    def keys(self) -> bool:
        """Whether it holds directories of projects, which stay."""
        return self.cache.scope == "project" and not self.only


def chosen(names: tuple[str, ...], *, every: bool, project: bool = False) -> tuple[Cache, ...]:
    """The caches that `names` mean, or all; with `project` those of that scope. Raises UnknownName."""
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


def rows(roots: Roots, caches: Sequence[Cache], only: str = "") -> list[Row]:
    """What is to be cleared. Raises CacheRefused if a root is no directory."""
    for root in {roots.of(cache) for cache in caches}:
        if root.exists() and not root.is_dir():
            raise CacheRefused(f"{root} is not a directory", "Choose another root with GOLDI_CACHE_ROOT")
    return [Row(cache, roots.folder(cache), only) for cache in caches]


def clear(row: Row, images: Sequence[str] = (), *, dry: bool = False, strangers: bool = False) -> None:
    """Empty a cache, or only say what would be done; `row` is filled on the way, so that it is true after Ctrl-C too.

    What another user left in it is removed by a container, as root, of the first of `images` that is there. With
    `strangers` nothing else is.
    """
    try:
        with cache_directories.opened(row.folder) as top:
            if top is not None:
                cache_directories.check_ours(row.folder, top)
                _clear(row, top, images, dry=dry, strangers=strangers)
    except CacheRefused as error:
        row.refused = error.problem


def _clear(row: Row, top: int, images: Sequence[str], *, dry: bool, strangers: bool) -> None:
    try:
        inside = os.open(row.only or ".", DIRECTORY, dir_fd=top)
    except FileNotFoundError:
        return
    except OSError as error:
        raise CacheRefused(f"{row.path} cannot be opened: {error.strerror}: left alone") from error
    row.exists = True
    try:
        walk(
            inside,
            str(row.path),
            row.tally,
            act=not dry,
            owner=ownership.owner()[0],
            keys=row.keys,
            strangers=strangers,
        )
    except OSError as error:
        row.tally.left.append(Left.of("", error))
    finally:
        os.close(inside)
    if not dry and os.geteuid() != 0 and any(left.denied for left in row.tally.left):
        options = {"keys": row.keys, "strangers": strangers}
        row.image = root_removal.empty(top, row.folder, row.only, tally=row.tally, images=images, **options)
