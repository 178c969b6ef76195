"""How much is in the cache directories, and what of it is not the caller's."""

from dataclasses import dataclass
from pathlib import Path

from goldi_tasks import whose
from goldi_tasks.cache import dirs
from goldi_tasks.cache.report import shown
from goldi_tasks.cache.walk import Tally, walk
from goldi_tasks.errors import CacheRefused
from goldi_tasks.paths import CACHES, Cache, Roots


@dataclass(frozen=True)
class Size:
    """A cache directory: bytes on disk and files in it; links count as themselves.

    `refused` says why `cache.clear` would leave it alone, "" if it would not. `foreign` are paths of other users, the
    topmost ones, `unreadable` directories that the caller may not look into.
    """

    name: str
    scope: str
    path: Path
    exists: bool = False
    tagged: bool = False
    bytes: int = 0
    files: int = 0
    refused: str = ""
    foreign: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


def measure(roots: Roots) -> list[Size]:
    """Every cache of the table."""
    return [_measure(cache, roots.folder(cache)) for cache in CACHES]


def remarks(size: Size) -> str:
    """What people are told of a cache beside its figures."""
    said = [shown(size.refused.removeprefix(f"{size.path} "))] if size.refused else []
    said += [f"{len(size.foreign)} of another user"] if size.foreign else []
    said += [f"{len(size.unreadable)} that cannot be looked into"] if size.unreadable else []
    return f" ({', '.join(said)})" if said else ""


def _measure(cache: Cache, folder: Path) -> Size:
    tally, refused = Tally(), ""
    try:
        with dirs.opened(folder) as handle:
            if handle is None:
                return Size(cache.name, cache.scope, folder)
            walk(handle, str(folder), tally, act=False, owner=whose.owner()[0])
            dirs.check_ours(folder, handle)
    except CacheRefused as error:
        refused = error.problem
    except OSError as error:
        refused = f"{folder} cannot be read: {error.strerror}"
    return Size(
        cache.name,
        cache.scope,
        folder,
        exists=folder.is_dir() and not folder.is_symlink(),
        tagged=dirs.tagged(folder),
        bytes=tally.bytes,
        files=tally.files,
        refused=refused,
        foreign=tuple(str(folder / path) for path in tally.foreign),
        unreadable=tuple(str(folder / path) for path in tally.unreadable),
    )
