"""Export a local build cache to a directory beside the current one, and exchange the two once the export is complete.

buildx writes into a cache directory file by file and never deletes unreferenced blobs (moby/buildkit#1896). So each
export gets its own directory; blobs of the current cache are hard links there, not written again. A killed build, a
full disk and a concurrent build leave the current cache unchanged.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks import atomic, locks, ownership, process
from goldi_tasks.atomic import PREFIX, sibling_path, swap
from goldi_tasks.cache import oci_layout


@dataclass(frozen=True)
class PendingExport:
    """A pending export: buildx writes to the temporary directory `place`, which `put` exchanges with `directory`."""

    directory: Path
    place: Path

    def put(self) -> bool:
        """Make the export the current cache, without unreferenced blobs; return False if it is incomplete."""
        if not (self.place / oci_layout.INDEX).is_file() or not oci_layout.is_complete(self.place):
            return False
        for orphan in list(oci_layout.list_unreferenced(self.place)):
            remove(orphan)
        # Under sudo buildx creates the files as root.
        atomic.change_tree_owner(self.place, ownership.owner())
        swap(self.place, self.directory)
        return True


@contextmanager
def create_exports(directories: Sequence[Path]) -> Iterator[list[PendingExport]]:
    """Create a pending export for each of `directories`; delete those that were not put in the end. Raises OSError.

    Programs started inside inherit the locks, so `tidy` does not delete a directory that one of them still writes to.
    """
    with ExitStack() as stack:
        yield [stack.enter_context(_stage_export(directory)) for directory in directories]


def remove_abandoned(folder: Path) -> list[Path]:
    """Delete and return the directories of killed exports in `folder`. Running exports are locked, and stay."""
    with _locked(folder):
        abandoned = [path for path in folder.iterdir() if path.name.startswith(PREFIX) and _is_abandoned(path)]
        for path in abandoned:
            remove(path)
    return abandoned


def discard(directory: Path) -> None:
    """Delete a cache: it is renamed first, so that no build sees a part of it. Raises OSError."""
    with suppress(FileNotFoundError):
        aside = sibling_path(directory, "old")
        directory.rename(aside)
        remove(aside)


def remove(path: Path) -> None:
    """Delete a file, or a directory with its content; what cannot be deleted of a directory stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _stage_export(directory: Path) -> Iterator[PendingExport]:
    folder = directory.parent
    remove_abandoned(folder)
    temporary, handles = sibling_path(directory), list[int]()
    try:
        with process.delay_interrupt(), _locked(folder):
            temporary.mkdir(mode=0o700)
            handles.append(os.open(temporary, os.O_RDONLY | os.O_DIRECTORY))
            locks.acquire(handles[0])
        atomic.change_owner(temporary, ownership.owner())
        _link_blobs(directory, temporary)
        with process.inherit_handle(handles[0]):
            yield PendingExport(directory, temporary)
    finally:
        with process.delay_interrupt():
            # After an exchange it holds the previous cache.
            remove(temporary)
            for handle in handles:
                os.close(handle)


def _link_blobs(directory: Path, temporary: Path) -> None:
    """Hard-link the blobs of the cache `directory` into `temporary`. Without links buildx only exports them again."""
    target = oci_layout.blobs(temporary)
    target.mkdir(parents=True)
    if not oci_layout.is_complete(directory):
        return
    with suppress(*oci_layout.UNREADABLE):
        for name in oci_layout.read_referenced_sizes(directory):
            (target / name).hardlink_to(oci_layout.blobs(directory) / name)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock `folder` while export directories in it are created or listed."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        locks.acquire(handle)
        yield
    finally:
        os.close(handle)


def _is_abandoned(path: Path) -> bool:
    """Return whether no process has `path` locked."""
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
