"""Read the entries of a cache directory for an archive: relative to open directories, on one file system.

No symbolic link is followed.
"""

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
# Errors of a file that was deleted or replaced after its directory was listed.
_DELETED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_MAX_MTIME = (1 << 33) - 1


@dataclass
class LeftOut:
    """The number of entries that were not saved, by reason."""

    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str) -> None:
        """Count one entry."""
        self.reasons[reason] = self.reasons.get(reason, 0) + 1


EntryStream = Generator[tuple[Entry, Iterator[bytes]], None, None]


def tree(top: int, skip: frozenset[str], places: tuple[str, ...], skipped: LeftOut) -> EntryStream:
    """Yield every entry below the open directory `top` with its content, a directory before its content.

    Names at the top that are in `skip` or begin with `.goldi-` are ignored. `places` are the paths of the directory on
    the host and in containers. Entries that are not saved are counted in `skipped`. Raises CacheRefused if a file
    shrinks while it is read.
    """
    device = os.fstat(top).st_dev
    # One file descriptor for each level: path_is_sound limits the depth.
    levels = [("", os.dup(top), iter(_list_names(top, skip)))]
    try:
        while levels:
            parent, handle, names = levels[-1]
            name = next(names, None)
            if name is None:
                os.close(levels.pop()[1])
                continue
            path = f"{parent}/{name}" if parent else name
            if not archive_manifest.path_is_sound(path):
                skipped.add("with a name that is no text, or too long")
                continue
            try:
                entry, entry_handle = _open_entry(handle, path, places, skipped, device)
            except OSError as error:
                if error.errno not in _DELETED:
                    skipped.add("that may not be read")
                continue
            if entry is None:
                continue
            if entry.kind == "d":
                levels.append((path, entry_handle, iter(_list_names(entry_handle))))
                yield entry, iter(())
            elif entry.kind == "f":
                with os.fdopen(entry_handle, "rb", buffering=0) as file:
                    yield _read_content(entry, file.fileno())
            else:
                yield entry, iter(())
    finally:
        for _, handle, _ in levels:
            os.close(handle)


def entry(kind: archive_manifest.Kind, path: str, mode: int, mtime: float, size: int = 0, target: str = "") -> Entry:
    """Return an entry without set-uid, set-gid and sticky bits, and with an mtime that a manifest can hold."""
    return Entry(kind, path, mode & 0o777, int(min(max(0, mtime), _MAX_MTIME)), size, target=target)


def names_in(handle: int) -> list[str]:
    """Return the names in an open directory, sorted."""
    with os.scandir(handle) as entries:
        return sorted(entry.name for entry in entries)


def _list_names(handle: int, skip: frozenset[str] | None = None) -> list[str]:
    names = names_in(handle)
    return names if skip is None else [name for name in names if name not in skip and not name.startswith(".goldi-")]


def _open_entry(
    handle: int, path: str, places: tuple[str, ...], skipped: LeftOut, device: int
) -> tuple[Entry | None, int]:
    """Return the entry at `path`, whose parent directory is open as `handle`, and its file descriptor: -1 for a link.

    The entry is None if it is not saved; then it is counted in `skipped`. Raises OSError.
    """
    name = path.rpartition("/")[2]
    status = os.stat(name, dir_fd=handle, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        target = link_rules.get_saved_target(path, os.readlink(name, dir_fd=handle), places)
        if target is None or not archive_manifest.is_text(target) or len(target) > archive_manifest.PATH:
            skipped.add("that are links out of their cache")
            return None, -1
        return entry("l", path, 0o777, status.st_mtime, target=target), -1
    if not stat.S_ISDIR(status.st_mode) and not stat.S_ISREG(status.st_mode):
        skipped.add("that are no file, directory or link")
        return None, -1
    entry_handle = os.open(name, DIRECTORY if stat.S_ISDIR(status.st_mode) else _FILE, dir_fd=handle)
    status = os.fstat(entry_handle)
    is_directory = stat.S_ISDIR(status.st_mode)
    if status.st_dev != device or not (is_directory or stat.S_ISREG(status.st_mode)):
        os.close(entry_handle)
        skipped.add("on another file system")
        return None, -1
    size = 0 if is_directory else status.st_size
    return entry("d" if is_directory else "f", path, status.st_mode, status.st_mtime, size), entry_handle


def _read_content(file_entry: Entry, handle: int) -> tuple[Entry, Iterator[bytes]]:
    """Return the entry of a file and its content; a small file is read at once, and the entry gets the size read."""
    if file_entry.size > CHUNK:
        return file_entry, _read_chunks(file_entry, handle)
    content = b""
    while len(content) <= CHUNK and (chunk := os.read(handle, CHUNK + 1 - len(content))):
        content += chunk
    content = content[:CHUNK]
    return entry("f", file_entry.path, file_entry.mode, file_entry.mtime, len(content)), iter((content,))


def _read_chunks(file_entry: Entry, handle: int) -> Iterator[bytes]:
    remaining = file_entry.size
    while remaining:
        chunk = os.read(handle, min(remaining, CHUNK))
        if not chunk:
            problem = f"{file_entry.path} became shorter while being saved"
            raise CacheRefused(problem, "Save again when nothing writes to that cache")
        remaining -= len(chunk)
        yield chunk
