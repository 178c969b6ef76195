"""What of a cache directory goes into an archive: read from open directories, no link followed, on one file system."""

import errno
import os
import stat
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from goldi_tasks.cache.safe_delete import DIRECTORY
from goldi_tasks.errors import CacheRefused
from goldi_tasks.maintenance.archive import archive_manifest, link_rules
from goldi_tasks.maintenance.archive.archive_manifest import Entry
from goldi_tasks.maintenance.archive.packer import CHUNK

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
# What is not there any more, or not ours to read.
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_LAST = (1 << 33) - 1


@dataclass
class Left:
    """How much was left out, by reason."""

    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str) -> None:
        """One more."""
        self.reasons[reason] = self.reasons.get(reason, 0) + 1


Found = Generator[tuple[Entry, Iterator[bytes]], None, None]


def tree(top: int, skip: frozenset[str], places: tuple[str, ...], left: Left) -> Found:
    """Every entry below the open directory `top`, a directory before what is in it, with its content.

    What is at the top and in `skip`, or begins with `.goldi-`, is passed over; `places` are where the directory is
    seen. What is left out is counted in `left`. Raises CacheRefused where a file shrinks while it is read.
    """
    device = os.fstat(top).st_dev
    # A handle for each level: the depth is limited.
    levels = [("", os.dup(top), iter(_names(top, skip)))]
    try:
        while levels:
            path, handle, names = levels[-1]
            name = next(names, None)
            if name is None:
                os.close(levels.pop()[1])
                continue
            whole = f"{path}/{name}" if path else name
            if not archive_manifest.path_is_sound(whole):
                left.add("with a name that is no text, or too long")
                continue
            try:
                entry, inside = _look(handle, name, whole, places, left, device)
            except OSError as error:
                if error.errno not in _GONE:
                    left.add("that may not be read")
                continue
            if entry is None:
                continue
            if entry.kind == "d":
                levels.append((whole, inside, iter(_names(inside))))
                yield entry, iter(())
            elif entry.kind == "f":
                with os.fdopen(inside, "rb", buffering=0) as file:
                    yield _read(entry, file.fileno())
            else:
                yield entry, iter(())
    finally:
        for _, handle, _ in levels:
            os.close(handle)


def entry(kind: archive_manifest.Kind, path: str, mode: int, mtime: float, size: int = 0, target: str = "") -> Entry:
    """An entry without what may do harm or cannot be kept: set-uid bits, times before 1970."""
    return Entry(kind, path, mode & 0o777, int(min(max(0, mtime), _LAST)), size, target=target)


def names_in(handle: int) -> list[str]:
    """The names in an open directory, sorted."""
    with os.scandir(handle) as entries:
        return sorted(found.name for found in entries)


def _names(handle: int, skip: frozenset[str] | None = None) -> list[str]:
    names = names_in(handle)
    return names if skip is None else [name for name in names if name not in skip and not name.startswith(".goldi-")]


def _look(
    handle: int, name: str, whole: str, places: tuple[str, ...], left: Left, device: int
) -> tuple[Entry | None, int]:
    """What `name` is in the directory that is open as `handle`, and a handle of it, -1 of a link."""
    found = os.stat(name, dir_fd=handle, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        target = link_rules.kept(whole, os.readlink(name, dir_fd=handle), places)
        if target is None or not archive_manifest.is_text(target) or len(target) > archive_manifest.PATH:
            left.add("that are links out of their cache")
            return None, -1
        return entry("l", whole, 0o777, found.st_mtime, target=target), -1
    if not stat.S_ISDIR(found.st_mode) and not stat.S_ISREG(found.st_mode):
        left.add("that are no file, directory or link")
        return None, -1
    inside = os.open(name, DIRECTORY if stat.S_ISDIR(found.st_mode) else _FILE, dir_fd=handle)
    found = os.fstat(inside)
    folder = stat.S_ISDIR(found.st_mode)
    if found.st_dev != device or not (folder or stat.S_ISREG(found.st_mode)):
        os.close(inside)
        left.add("on another file system")
        return None, -1
    size = 0 if folder else found.st_size
    return entry("d" if folder else "f", whole, found.st_mode, found.st_mtime, size), inside


def _read(found: Entry, handle: int) -> tuple[Entry, Iterator[bytes]]:
    """The entry as large as it is, and what it holds; a small file is read at once, since it may change."""
    if found.size > CHUNK:
        return found, _chunks(found, handle)
    data = b""
    while len(data) <= CHUNK and (more := os.read(handle, CHUNK + 1 - len(data))):
        data += more
    data = data[:CHUNK]
    return entry("f", found.path, found.mode, found.mtime, len(data)), iter((data,))


def _chunks(found: Entry, handle: int) -> Iterator[bytes]:
    left = found.size
    while left:
        data = os.read(handle, min(left, CHUNK))
        if not data:
            problem = f"{found.path} became shorter while it was saved"
            raise CacheRefused(problem, "Save again when nothing writes to that cache")
        left -= len(data)
        yield data
