"""Digest a build context: the files of a directory that the builder would get.

The digest covers path, type, mode, content, link target and extended attributes of each file. As in git's index, the
content of a file is not read again while its stat is the same. But a file that was modified less than two seconds
before it was read, or in the future, is read again: its stat may not show a second change within the same clock tick.
"""

import hashlib
import marshal
import os
import stat
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from goldi_tasks import state
from goldi_tasks.dockerfile import ignore_file

YOUNG = state.YOUNG
# The paths that stand for a whole context.
WHOLE = frozenset({"."})
# By path the size, times, inode, device and mode of a file (as in `Entry`), and the digest of its content.
Memory = dict[str, list[int | str]]


@dataclass(frozen=True)
class ContextState:
    """The state of paths of a context: its `digest`, a digest `stats` of all stat fields, `memory` for the next read.

    `young` holds the content digests of recently modified files, which are read again even if their stat is the same.
    """

    digest: str
    stats: str
    young: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    memory: Memory = field(default_factory=dict, repr=False, compare=False)


# A path relative to the context; size in bytes, mtime and ctime in nanoseconds, inode, device, mode.
Entry = tuple[str, int, int, int, int, int, int]


class _SymbolicLink(Exception):
    """A path contains a symbolic link, so the copied files may be anywhere in the context."""


def read(
    root: Path,
    ignore_text: str,
    paths: Collection[str] = WHOLE,
    last: ContextState | None = None,
    remember: Callable[[], Memory] = dict,
) -> ContextState:
    """Read `paths` of the context `root` and everything below them; they are relative and without wildcards.

    `last` is the result of an earlier read of the same paths; `remember` returns the memory of earlier reads and is
    called only if needed. If a path contains a symbolic link, the whole context is read. Raises OSError if a file
    cannot be read.
    """
    now, removal = time.time_ns(), ignore_file.Removal(ignore_file.parse(ignore_text))
    try:
        entries = _list_entries(str(root), _outermost(paths), removal)
    except _SymbolicLink:
        paths = WHOLE
        entries = _walk(str(root), "", removal)
    entries.sort()
    # The stat of the root shows names that were added and removed again. Version 2 of marshal's format writes equal
    # values as equal bytes, ten times as fast as text.
    root_entries = [_entry("", root.stat())] if "." in paths else []
    stats = hashlib.sha256(marshal.dumps(entries + root_entries, 2)).hexdigest()
    if last and last.stats == stats and _have_content(root, last.young):
        young = {
            entry[0]: last.young[entry[0]] for entry in entries if entry[0] in last.young and _is_young(entry, now)
        }
        return ContextState(last.digest, stats, young)
    memory, previous, young, digest = Memory(), remember(), dict[str, str](), hashlib.sha256()
    for entry in entries:
        (name, *status), mode = entry, entry[-1]
        recorded = previous.get(name, [])
        content = str(recorded[-1]) if recorded[:-1] == status else _content(f"{root}/{name}", mode)
        digest.update(f"{name}\0{mode:o}\0{content}\0".encode(errors="surrogateescape"))
        if _is_young(entry, now):
            young[name] = content
        else:
            memory[name] = [*status, content]
    return ContextState(digest.hexdigest(), stats, young, memory)


def names(root: Path, ignore_text: str) -> list[str]:
    """List the paths of the context `root`. Raises OSError."""
    return sorted(entry[0] for entry in _walk(str(root), "", ignore_file.Removal(ignore_file.parse(ignore_text))))


def measure(root: Path, ignore_text: str) -> tuple[int, int]:
    """Count the files of the context `root`, and their bytes. Raises OSError."""
    entries = _walk(str(root), "", ignore_file.Removal(ignore_file.parse(ignore_text)))
    sizes = [entry[1] for entry in entries if stat.S_ISREG(entry[-1])]
    return len(sizes), sum(sizes)


def _outermost(paths: Collection[str]) -> list[str]:
    """Return the paths that are not below another one of them."""
    return [path for path in paths if path == "." or not _is_below(path, paths)]


def _is_below(path: str, others: Collection[str]) -> bool:
    parts = path.split("/")
    return "." in others or any("/".join(parts[:depth]) in others for depth in range(1, len(parts)))


def _list_entries(root: str, paths: Collection[str], removal: ignore_file.Removal) -> list[Entry]:
    """List the entries of `paths` and of everything below them. Raises _SymbolicLink."""
    entries: list[Entry] = []
    for path in paths:
        if path == ".":
            return _walk(root, "", removal)
        # A missing path adds no entry; its COPY makes the build fail.
        if status := _lstat(root, path, removal):
            entries.append(_entry(path, status))
            if stat.S_ISDIR(status.st_mode):
                entries += _walk(root, path, removal)
    return entries


def _lstat(root: str, path: str, removal: ignore_file.Removal) -> os.stat_result | None:
    """Return the stat of `path`; None if it is ignored or missing. Raises _SymbolicLink."""
    parts, status = path.split("/"), None
    for depth, part in enumerate(parts, 1):
        name = "/".join(parts[:depth])
        if removal.removes(name, part):
            return None
        try:
            status = os.lstat(f"{root}/{name}")
        except (FileNotFoundError, NotADirectoryError):
            return None
        if stat.S_ISLNK(status.st_mode):
            raise _SymbolicLink
    return status


def _walk(root: str, below: str, removal: ignore_file.Removal) -> list[Entry]:
    """List the entries of the context below the directory `below`, "" for the root. Raises OSError."""
    entries: list[Entry] = []
    folders = [f"{below}/" if below else ""]
    names, removes = removal.names, removal.removes
    for folder in folders:
        # With a file descriptor instead of a path, the stat of each file takes half the time.
        descriptor = os.open(f"{root}/{folder}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with os.scandir(descriptor) as children:
                for child in children:
                    name = folder + child.name
                    if child.name in names or removes(name, child.name):
                        continue
                    entries.append(_entry(name, child.stat(follow_symlinks=False)))
                    if child.is_dir(follow_symlinks=False):
                        folders.append(f"{name}/")
        finally:
            os.close(descriptor)
    return entries


def _is_young(entry: Entry, now: int) -> bool:
    """Return whether a file was modified so recently, or in the future, that its stat may not show another change."""
    return max(entry[2], entry[3]) >= now - YOUNG


def _have_content(root: Path, young: Mapping[str, str]) -> bool:
    """Return whether the recently modified files still have the content with these digests."""
    try:
        paths = ((f"{root}/{name}", digest) for name, digest in young.items())
        return all(_content(path, os.lstat(path).st_mode) == digest for path, digest in paths)
    except OSError:
        return False


def _content(path: str, mode: int) -> str:
    """Return the digest of a file or the target of a link, with the extended attributes that an image keeps."""
    content = ""
    if stat.S_ISREG(mode):
        with open(path, "rb") as file:  # noqa: PTH123 - a Path for each of many files costs as much as reading them
            content = hashlib.file_digest(file, "sha256").hexdigest()
    elif stat.S_ISLNK(mode):
        content = os.readlink(path)  # noqa: PTH115 - as above
    names = sorted(os.listxattr(path, follow_symlinks=False)) if hasattr(os, "listxattr") else ()
    attributes = [(name, os.getxattr(path, name, follow_symlinks=False).hex()) for name in names if _is_sent(name)]
    return f"{content} {attributes}" if attributes else content


def _is_sent(attribute: str) -> bool:
    return attribute == "security.capability" or not attribute.startswith(("security.", "system."))


def _entry(name: str, status: os.stat_result) -> Entry:
    mode, size, ino, dev = status.st_mode, status.st_size, status.st_ino, status.st_dev
    return name, size, status.st_mtime_ns, status.st_ctime_ns, ino, dev, mode
