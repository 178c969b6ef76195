"""Read a build context: which files the builder would get of a directory, and a digest of them.

A file counts by path, kind, mode, content, link and extended attributes. Contents are remembered by what stat says of a
file, as git does; a file that changed less than two seconds before it was looked at, or later than now, is read again,
since a second change in the same tick would not show. So no clock decides alone.
"""

import hashlib
import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from goldi_tasks import state
from goldi_tasks.plan import ignore

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
    now, removed = time.time_ns(), ignore.compile_lines(ignore.parse(ignore_text))
    try:
        entries = sorted(_entries(str(root), _outermost(paths), removed))
    except _Linked:
        paths = WHOLE
        entries = sorted(_walk(str(root), "", removed))
    rows = [f"{name}\0{' '.join(map(str, _stat(status)))}" for name, _, status in entries]
    # A name that comes and goes leaves its mark on the directory.
    rows += [f"{_stat(root.stat())}"] if "." in paths else []
    stats = hashlib.sha256("\0".join(rows).encode(errors="surrogateescape")).hexdigest()
    if last and last.stats == stats and _hold(root, last.young):
        young = {name: last.young[name] for name, _, status in entries if name in last.young and _is_young(status, now)}
        return Context(last.digest, stats, young)
    memory, known, young, digest = Memory(), remember(), dict[str, str](), hashlib.sha256()
    for name, path, status in entries:
        before = known.get(name, [])
        content = str(before[-1]) if before[:-1] == _stat(status) else _content(path, status)
        digest.update(f"{name}\0{status.st_mode:o}\0{content}\0".encode(errors="surrogateescape"))
        if _is_young(status, now):
            young[name] = content
        else:
            memory[name] = [*_stat(status), content]
    return Context(digest.hexdigest(), stats, young, memory)


def names(root: Path, ignore_text: str) -> list[str]:
    """List the paths of the context `root`. Raises OSError."""
    removed = ignore.compile_lines(ignore.parse(ignore_text))
    return sorted(name for name, _, _ in _walk(str(root), "", removed))


def measure(root: Path, ignore_text: str) -> tuple[int, int]:
    """Count the files of the context `root`, and their bytes. Raises OSError."""
    removed = ignore.compile_lines(ignore.parse(ignore_text))
    sizes = [status.st_size for _, _, status in _walk(str(root), "", removed) if stat.S_ISREG(status.st_mode)]
    return len(sizes), sum(sizes)


def _outermost(paths: Collection[str]) -> list[str]:
    """The paths that lie below no other one of them."""
    return [path for path in paths if path == "." or not _is_below(path, paths)]


def _is_below(path: str, others: Collection[str]) -> bool:
    parts = path.split("/")
    return "." in others or any("/".join(parts[:depth]) in others for depth in range(1, len(parts)))


def _entries(root: str, paths: Collection[str], removed: re.Pattern[str]) -> Iterator[tuple[str, str, os.stat_result]]:
    """Give name, path and stat of all that lies at and below `paths`. Raises _Linked."""
    for path in paths:
        if path == ".":
            yield from _walk(root, "", removed)
            continue
        parts, status = path.split("/"), None
        for depth in range(1, len(parts) + 1):
            name = "/".join(parts[:depth])
            try:
                status = None if removed.fullmatch(name) else os.lstat(f"{root}/{name}")
            except (FileNotFoundError, NotADirectoryError):
                status = None
            if status is None:
                break
            if stat.S_ISLNK(status.st_mode):
                raise _Linked
        # What is not there makes the build fail, and counts by not being among the entries.
        if status is not None:
            yield path, f"{root}/{path}", status
            if stat.S_ISDIR(status.st_mode):
                yield from _walk(root, path, removed)


def _walk(root: str, below: str, removed: re.Pattern[str]) -> Iterator[tuple[str, str, os.stat_result]]:
    """Give name, path and stat of everything in the context below a directory."""
    with os.scandir(f"{root}/{below}") as entries:
        for entry in entries:
            name = f"{below}/{entry.name}" if below else entry.name
            if not removed.fullmatch(name):
                yield name, entry.path, entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(root, name, removed)


def _is_young(status: os.stat_result, now: int) -> bool:
    """Whether a second change of a file might not show, or the clock was set back since it changed."""
    return max(status.st_ctime_ns, status.st_mtime_ns) >= now - YOUNG


def _hold(root: Path, young: Mapping[str, str]) -> bool:
    """Whether the files that stat cannot speak for have the content that they had."""
    try:
        return all(_content(path := f"{root}/{name}", os.lstat(path)) == digest for name, digest in young.items())
    except OSError:
        return False


def _content(path: str, status: os.stat_result) -> str:
    """Return the digest of a file, or where a link leads to; with extended attributes, which an image keeps."""
    content = ""
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:  # noqa: PTH123 - a Path for each of many files costs as much as reading them
            content = hashlib.file_digest(file, "sha256").hexdigest()
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)  # noqa: PTH115 - the same
    names = sorted(os.listxattr(path, follow_symlinks=False)) if hasattr(os, "listxattr") else ()
    kept = [(name, os.getxattr(path, name, follow_symlinks=False).hex()) for name in names if _is_sent(name)]
    return f"{content} {kept}" if kept else content


def _is_sent(attribute: str) -> bool:
    return attribute == "security.capability" or not attribute.startswith(("security.", "system."))


def _stat(status: os.stat_result) -> list[int | str]:
    mode, size, ino, dev = status.st_mode, status.st_size, status.st_ino, status.st_dev
    return [size, status.st_mtime_ns, status.st_ctime_ns, ino, dev, mode]
