"""What of the project goes to the builder: the files that the .dockerignore leaves, and a digest of them.

Contents are remembered by what stat says of a file, as git does. A file whose change is as young as the
look at it is read again next time, since a second change in the same tick would not show.
"""

import hashlib
import os
import stat
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from goldi_tasks import state
from goldi_tasks.plan import ignore, selection
from goldi_tasks.settings import Settings

YOUNG = state.YOUNG
# The paths that are all of a context.
WHOLE = frozenset({"."})
# What stat says of a file, and its digest.
Memory = dict[str, list[int | str]]


@dataclass(frozen=True)
class Context:
    """The build context: a digest over paths, kinds, modes, contents and links of what was asked for.

    `files` and `bytes` are of all of it. `changed` is the newest change of anything in the digest, in nanoseconds
    since the epoch; `memory` is to be handed to the next look.
    """

    digest: str
    files: int
    bytes: int
    changed: int
    memory: Memory = field(repr=False)


def look(project: Path, ignore_text: str, memory: Memory, only: Collection[str] = WHOLE) -> Context:
    """The context of `project`; in the digest `only` these paths, see plan/selection.py, and the directories above.

    What a link in such a path leads to may be anywhere: then all of it is in the digest. Raises OSError where a file
    cannot be read, as the builder would.
    """
    now, digest, wanted, sizes, remembered = (
        time.time_ns(),
        hashlib.sha256(),
        selection.parse(only),
        list[int](),
        Memory(),
    )
    # A name that goes leaves its mark on the directory.
    changed = project.stat().st_mtime_ns
    for name, path, found in _walk(str(project), "", ignore.parse(ignore_text)):
        before = memory.get(name, [])
        known = str(before[-1]) if before[:-1] == _stat(found) else ""
        if stat.S_ISREG(found.st_mode):
            sizes.append(found.st_size)
        elif stat.S_ISLNK(found.st_mode) and wanted.hinges_on(name):
            return look(project, ignore_text, memory)
        if wanted.takes(name, stat.S_ISDIR(found.st_mode)):
            changed = max(changed, found.st_ctime_ns, found.st_mtime_ns)
            known = _content(path, found, known)
            digest.update(f"{name}\0{found.st_mode:o}\0{known}\0\n".encode(errors="surrogateescape"))
        if known and stat.S_ISREG(found.st_mode) and found.st_ctime_ns < now - YOUNG:
            remembered[name] = [*_stat(found), known]
    return Context(digest.hexdigest(), len(sizes), sum(sizes), changed, remembered)


def ignore_file(settings: Settings) -> Path | None:
    """The .dockerignore in force: BuildKit takes the one named after the Dockerfile before the context's own."""
    files = (settings.bake_file.parent / "Dockerfile.dockerignore", settings.project / ".dockerignore")
    return next(filter(Path.is_file, files), None)


def ignore_text(settings: Settings) -> str:
    """The text of the .dockerignore in force; "" if there is none."""
    file = ignore_file(settings)
    return file.read_text(encoding="utf-8", errors="surrogateescape") if file else ""


def measure(settings: Settings) -> tuple[int, int]:
    """Number and bytes of the files in the build context."""
    found = [stat for _, _, stat in _walk(str(settings.project), "", ignore.parse(ignore_text(settings)))]
    sizes = [one.st_size for one in found if stat.S_ISREG(one.st_mode)]
    return len(sizes), sum(sizes)


def names(settings: Settings) -> list[str]:
    """The paths of everything in the build context, relative to the project."""
    return [name for name, _, _ in _walk(str(settings.project), "", ignore.parse(ignore_text(settings)))]


def _walk(root: str, below: str, patterns: tuple[ignore.Pattern, ...]) -> Iterator[tuple[str, str, os.stat_result]]:
    """Name, path and stat of everything in the context, in a fixed order."""
    exceptions = any(pattern.keeps for pattern in patterns)
    for entry in sorted(os.scandir(os.path.join(root, below)), key=lambda entry: entry.name):  # noqa: PTH118
        name = f"{below}/{entry.name}" if below else entry.name
        out = ignore.left_out(name, patterns)
        if not out:
            yield name, entry.path, entry.stat(follow_symlinks=False)
        # What a `!` brings back may lie in a directory that is left out.
        if entry.is_dir(follow_symlinks=False) and (not out or exceptions):
            yield from _walk(root, name, patterns)


def _content(path: str, found: os.stat_result, known: str) -> str:
    """The digest of a file, which is `known` if it is not ""; where a link leads to."""
    if stat.S_ISREG(found.st_mode):
        return known or _hash(path)
    return os.readlink(path) if stat.S_ISLNK(found.st_mode) else ""  # noqa: PTH115 - see _hash


def _stat(found: os.stat_result) -> list[int | str]:
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev, found.st_mode]


def _hash(path: str) -> str:
    with open(path, "rb") as file:  # noqa: PTH123 - a tree of many files: a Path for each costs as much as reading it
        return hashlib.file_digest(file, "sha256").hexdigest()
