"""Read a build context: which files the builder would get of a directory, and a digest of them.

A file counts by path, kind, mode, content, link and extended attributes. Contents are remembered by what stat says of a
file, as git does; a file that changed less than two seconds before it was looked at, or later than now, is read again,
since a second change in the same tick would not show. So no clock decides alone.
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
# The paths that are all of a context.
WHOLE = frozenset({"."})
# By path what stat says of a file, and the digest of its content.
Memory = dict[str, list[int | str]]


@dataclass(frozen=True)
class Context:
    """What `paths` of a context hold: `digest` of all that counts, `stats` of what stat says, `memory` for the next.

    `young` has the digests of files that are read again although stat says the same.
    """

    digest: str
    stats: str
    young: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    memory: Memory = field(default_factory=dict, repr=False, compare=False)


# A path relative to the context; size, times of change in nanoseconds, inode, device and mode.
Entry = tuple[str, int, int, int, int, int, int]


class _Linked(Exception):
    """A link lies in a path: what is copied may be anywhere in the context."""


def read(
    root: Path,
    ignore_text: str,
    paths: Collection[str] = WHOLE,
    last: Context | None = None,
    remember: Callable[[], Memory] = dict,
) -> Context:
    """Read `paths` of the context `root`, relative and without wildcards, with all below them.

    `last` is from an earlier read of the same, `remember` gives the memory of earlier ones if it is needed. A link in
    a path may lead anywhere in the context: then all of it counts. Raises OSError where a file cannot be read.
    """
    now, removal = time.time_ns(), ignore_file.Removal(ignore_file.parse(ignore_text))
    try:
        entries = _entries(str(root), _outermost(paths), removal)
    except _Linked:
        paths = WHOLE
        entries = _walk(str(root), "", removal)
    entries.sort()
    # A name that comes and goes leaves its mark on the directory. Version 2 of marshal's format gives the same bytes
    # for the same, ten times as quick as text.
    marks = [_entry("", root.stat())] if "." in paths else []
    stats = hashlib.sha256(marshal.dumps(entries + marks, 2)).hexdigest()
    if last and last.stats == stats and _hold(root, last.young):
        young = {
            entry[0]: last.young[entry[0]] for entry in entries if entry[0] in last.young and _is_young(entry, now)
        }
        return Context(last.digest, stats, young)
    memory, known, young, digest = Memory(), remember(), dict[str, str](), hashlib.sha256()
    for entry in entries:
        (name, *status), mode = entry, entry[-1]
        before = known.get(name, [])
        content = str(before[-1]) if before[:-1] == status else _content(f"{root}/{name}", mode)
        digest.update(f"{name}\0{mode:o}\0{content}\0".encode(errors="surrogateescape"))
        if _is_young(entry, now):
            young[name] = content
        else:
            memory[name] = [*status, content]
    return Context(digest.hexdigest(), stats, young, memory)


def names(root: Path, ignore_text: str) -> list[str]:
    """List the paths of the context `root`. Raises OSError."""
    return sorted(entry[0] for entry in _walk(str(root), "", ignore_file.Removal(ignore_file.parse(ignore_text))))


def measure(root: Path, ignore_text: str) -> tuple[int, int]:
    """Count the files of the context `root`, and their bytes. Raises OSError."""
    entries = _walk(str(root), "", ignore_file.Removal(ignore_file.parse(ignore_text)))
    sizes = [entry[1] for entry in entries if stat.S_ISREG(entry[-1])]
    return len(sizes), sum(sizes)


def _outermost(paths: Collection[str]) -> list[str]:
    """The paths that lie below no other one of them."""
    return [path for path in paths if path == "." or not _is_below(path, paths)]


def _is_below(path: str, others: Collection[str]) -> bool:
    parts = path.split("/")
    return "." in others or any("/".join(parts[:depth]) in others for depth in range(1, len(parts)))


def _entries(root: str, paths: Collection[str], removal: ignore_file.Removal) -> list[Entry]:
    """List all that lies at and below `paths`. Raises _Linked."""
    entries: list[Entry] = []
    for path in paths:
        if path == ".":
            return _walk(root, "", removal)
        # What is not there makes the build fail, and counts by not being among the entries.
        if status := _find(root, path, removal):
            entries.append(_entry(path, status))
            if stat.S_ISDIR(status.st_mode):
                entries += _walk(root, path, removal)
    return entries


def _find(root: str, path: str, removal: ignore_file.Removal) -> os.stat_result | None:
    """Return what stat says of `path`; None where it is removed or not there. Raises _Linked."""
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
            raise _Linked
    return status


def _walk(root: str, below: str, removal: ignore_file.Removal) -> list[Entry]:
    """List everything in the context below a directory."""
    entries: list[Entry] = []
    todo = [f"{below}/" if below else ""]
    names, removes = removal.names, removal.removes
    for folder in todo:
        # By a descriptor the kernel finds each file in half the time.
        handle = os.open(f"{root}/{folder}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with os.scandir(handle) as children:
                for child in children:
                    name = folder + child.name
                    if child.name in names or removes(name, child.name):
                        continue
                    entries.append(_entry(name, child.stat(follow_symlinks=False)))
                    if child.is_dir(follow_symlinks=False):
                        todo.append(f"{name}/")
        finally:
            os.close(handle)
    return entries


def _is_young(entry: Entry, now: int) -> bool:
    """Whether a second change of a file might not show, or the clock was set back since it changed."""
    return max(entry[2], entry[3]) >= now - YOUNG


def _hold(root: Path, young: Mapping[str, str]) -> bool:
    """Whether the files that stat cannot speak for have the content that they had."""
    try:
        paths = ((f"{root}/{name}", digest) for name, digest in young.items())
        return all(_content(path, os.lstat(path).st_mode) == digest for path, digest in paths)
    except OSError:
        return False


def _content(path: str, mode: int) -> str:
    """Return the digest of a file, or where a link leads to; with extended attributes, which an image keeps."""
    content = ""
    if stat.S_ISREG(mode):
        with open(path, "rb") as file:  # noqa: PTH123 - a Path for each of many files costs as much as reading them
            content = hashlib.file_digest(file, "sha256").hexdigest()
    elif stat.S_ISLNK(mode):
        content = os.readlink(path)  # noqa: PTH115 - the same
    names = sorted(os.listxattr(path, follow_symlinks=False)) if hasattr(os, "listxattr") else ()
    kept = [(name, os.getxattr(path, name, follow_symlinks=False).hex()) for name in names if _is_sent(name)]
    return f"{content} {kept}" if kept else content


def _is_sent(attribute: str) -> bool:
    return attribute == "security.capability" or not attribute.startswith(("security.", "system."))


def _entry(name: str, status: os.stat_result) -> Entry:
    mode, size, ino, dev = status.st_mode, status.st_size, status.st_ino, status.st_dev
    return name, size, status.st_mtime_ns, status.st_ctime_ns, ino, dev, mode
