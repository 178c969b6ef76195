"""Export beside the cache that is there, and put the new one in its place when it is whole.

buildx writes into a cache directory file by file and never deletes what no index leads to (moby/buildkit#1896). So an
export goes to a directory of its own, in which what is still wanted is linked, not written again; a build that is
killed, a full disk or another build at the same time find or leave the cache as it was.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks import atomic, locks, ownership, process
from goldi_tasks.atomic import PREFIX, aside_of, swap
from goldi_tasks.cache import oci_layout


@dataclass(frozen=True)
class Stage:
    """An export to come: buildx writes to `place`, which then becomes `directory`."""

    directory: Path
    place: Path

    def put(self) -> bool:
        """Make it the cache, without what its index does not lead to; False if it is not whole, and is not put."""
        if not (self.place / oci_layout.INDEX).is_file() or not oci_layout.sound(self.place):
            return False
        for orphan in list(oci_layout.orphans(self.place)):
            remove(orphan)
        # Under sudo buildx wrote it as root.
        atomic.give_tree(self.place, ownership.owner())
        swap(self.place, self.directory)
        return True


@contextmanager
def staged(directories: Sequence[Path]) -> Iterator[list[Stage]]:
    """A stage for each of `directories`; what is not put is removed at the end. Raises OSError.

    A program that is started inside holds the stages too: while it writes nobody takes them for left behind.
    """
    with ExitStack() as stack:
        yield [stack.enter_context(_stage(directory)) for directory in directories]


def tidy(folder: Path) -> list[Path]:
    """Remove what killed exports have left in `folder`, and nothing that somebody is at work on; what it was."""
    with _locked(folder):
        left = [path for path in folder.iterdir() if path.name.startswith(PREFIX) and _abandoned(path)]
        for path in left:
            remove(path)
    return left


def discard(directory: Path) -> None:
    """Remove a cache at one instant: nobody meets a half of it. Raises OSError."""
    with suppress(FileNotFoundError):
        aside = aside_of(directory, "old")
        directory.rename(aside)
        remove(aside)


def remove(path: Path) -> None:
    """Remove a file or a directory as far as it can be."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _stage(directory: Path) -> Iterator[Stage]:
    folder = directory.parent
    tidy(folder)
    place, handles = aside_of(directory), list[int]()
    try:
        with process.unbroken(), _locked(folder):
            place.mkdir(mode=0o700)
            handles.append(os.open(place, os.O_RDONLY | os.O_DIRECTORY))
            locks.acquire(handles[0])
        atomic.give(place, ownership.owner())
        _link(directory, place)
        with process.holding(handles[0]):
            yield Stage(directory, place)
    finally:
        with process.unbroken():
            # After an exchange it holds what was the cache before.
            remove(place)
            for handle in handles:
                os.close(handle)


def _link(directory: Path, place: Path) -> None:
    """Blobs are written once: those that are wanted are linked. Without any all of it is exported, and that is all."""
    target = oci_layout.blobs(place)
    target.mkdir(parents=True)
    if not oci_layout.sound(directory):
        return
    with suppress(*oci_layout.UNREADABLE):
        for name in oci_layout.wanted(directory):
            (target / name).hardlink_to(oci_layout.blobs(directory) / name)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One of us at a time in `folder`, for as long as it takes to make or find a directory."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        locks.acquire(handle)
        yield
    finally:
        os.close(handle)


def _abandoned(path: Path) -> bool:
    """Whether nobody holds it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return path.is_symlink() or not path.is_dir()
    try:
        return locks.try_acquire(handle)
    except OSError:
        return False
    finally:
        os.close(handle)
