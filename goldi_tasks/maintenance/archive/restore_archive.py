"""Restore caches from an archive: unpack and verify all of it first, then replace the current caches."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks import ownership
from goldi_tasks.cache import cache_directories
from goldi_tasks.cache.safe_delete import DIRECTORY, Tally, empty_directory
from goldi_tasks.errors import CacheRefused, NoSpace
from goldi_tasks.maintenance import progress_line
from goldi_tasks.maintenance.archive import archive_manifest, mount_transfer, packer, staging, writer
from goldi_tasks.maintenance.archive.archive_manifest import ArchivePart, Entry
from goldi_tasks.maintenance.archive.cache_mounts import CacheMount
from goldi_tasks.maintenance.archive.save_archive import MountBuilder, failure, skipped
from goldi_tasks.maintenance.archive.unpacker import ArchiveReader, opened
from goldi_tasks.paths import BY_NAME, TAG_FILE, Cache, build_cache
from goldi_tasks.settings import Settings
from goldi_tasks.units import format_size

# Bytes added for each entry when the required disk space is estimated: a partly filled block, and the inode.
_BYTES_PER_ENTRY = 4096

# A function that writes an entry with its content.
Sink = Callable[[Entry, Iterator[bytes]], None]


@dataclass(frozen=True)
class Restored:
    """The result of a restore: `key` is the project that saved the archive, `parts` are the restored caches.

    `not_restored` are the other caches of the archive.
    """

    key: str
    parts: Sequence[ArchivePart]
    not_restored: Sequence[ArchivePart]
    seconds: float


def restore(
    settings: Settings, names: Sequence[str], platform: str, builder: MountBuilder | None, file: Path
) -> Restored:
    """Restore from `file` the caches in `names`, all for (), and the cache mounts that `builder` declares.

    Raises CacheRefused for an invalid archive or a cache that cannot be replaced, NoSpace, CommandFailed, Interrupted;
    then every cache is unchanged.
    """
    start = time.monotonic()
    with ExitStack() as stack:
        archive = ArchiveReader(stack.enter_context(opened(file)))
        _check_archive(archive, platform)
        parts = archive.manifest.parts
        places = {number: _find_place(settings, part) for number, part in enumerate(parts) if part.kind == "dir"}
        places = {number: place for number, place in places.items() if not names or place.cache.name in names}
        declared = {mount.id: mount for mount in builder.declared} if builder else {}
        mounts = [number for number, part in enumerate(parts) if part.kind == "mount" and part.name in declared]
        restoration = _Restoration(settings, stack)
        restoration.check_space([parts[number] for number in (*places, *mounts)])
        sinks: dict[int, Sink] = {number: restoration.stage_directory(place) for number, place in places.items()}
        if mounts:
            sinks |= restoration.stage_mounts(mounts)
        _unpack(archive, sinks)
        if mounts and builder:
            restoration.fill_mounts(builder, [declared[parts[number].name] for number in mounts])
        restoration.commit()
    restored = {*places, *mounts}
    return Restored(
        archive.manifest.key,
        [part for number, part in enumerate(parts) if number in restored],
        [part for number, part in enumerate(parts) if number not in restored],
        time.monotonic() - start,
    )


@dataclass(frozen=True)
class RestoreTarget:
    """Where a cache is restored: `only` is the project's directory in the cache's `folder`, "" for a shared cache."""

    cache: Cache
    folder: Path
    only: str


class _Restoration:
    """A restore in progress: its locked cache directories, by path, and its staging directories; `stack` closes them.

    `mounts_staging` is the staging directory of the cache mounts, with the file descriptor of its open tar.
    """

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self.settings, self.stack = settings, stack
        self.locked: dict[Path, int] = {}
        self.staged: list[tuple[RestoreTarget, staging.StagingDirectory]] = []
        self.mounts_staging: tuple[staging.StagingDirectory, int] | None = None

    def check_space(self, parts: Sequence[ArchivePart]) -> None:
        """Raise NoSpace if a file system has too little free space for `parts`."""
        roots = self.settings.roots
        needed: dict[int, int] = {}
        free: dict[int, int] = {}
        for part in parts:
            cache = BY_NAME[part.name] if part.kind == "dir" else build_cache("builder")
            cache_directories.ensure(roots, roots.folder(cache))
            file_system = os.statvfs(roots.folder(cache))
            device = roots.folder(cache).stat().st_dev
            free[device] = file_system.f_bavail * file_system.f_frsize
            needed[device] = needed.get(device, 0) + part.bytes + _BYTES_PER_ENTRY * len(part.entries)
            if needed[device] > free[device]:
                problem = f"{roots.of(cache)} has {format_size(free[device])} free, too little for the archive"
                raise NoSpace(problem, "Free some, see `inv cache.status`, or restore less with --name")

    def stage_directory(self, place: RestoreTarget) -> Sink:
        """Create the staging directory of a cache, and return the function that writes entries to it."""
        cache_directories.ensure(self.settings.roots, place.folder / place.only)
        top = self._lock(place.folder)
        _check_place(place, top)
        directory = self.stack.enter_context(staging.staged(place.folder, top, f"{place.only or 'all'}.d"))
        tree = writer.Tree(staging.new(directory))
        self.stack.callback(tree.close)
        self.staged.append((place, directory))

        def add(entry: Entry, content: Iterator[bytes]) -> None:
            try:
                tree.add(entry, content)
            except OSError as error:
                raise failure(error, f"{place.folder / entry.path}", str(place.folder)) from error

        return add

    def stage_mounts(self, numbers: Sequence[int]) -> dict[int, Sink]:
        """Create the tar for the builder, and return for each of `numbers` the function that writes entries to it."""
        cache = build_cache("builder")
        folder = self.settings.roots.folder(cache)
        cache_directories.ensure(self.settings.roots, folder)
        top = self._lock(folder)
        directory = self.stack.enter_context(staging.staged(folder, top, f"{self.settings.key}.mounts"))
        os.mkdir("in", 0o700, dir_fd=directory.handle)
        handle = os.open("in/mounts.tar", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=directory.handle)
        tar = self.stack.enter_context(os.fdopen(handle, "wb"))
        self.mounts_staging = (directory, handle)

        def create_sink(mount: int) -> Sink:
            def add(entry: Entry, content: Iterator[bytes]) -> None:
                try:
                    tar.write(packer.head(f"{mount}/{entry.path}", entry))
                    for chunk in content:
                        tar.write(chunk)
                    tar.write(packer.padding(entry.size))
                    tar.flush()
                except OSError as error:
                    raise failure(error, f"{folder} cannot be written to", str(folder)) from error

            return add

        return {number: create_sink(mount) for mount, number in enumerate(numbers)}

    def fill_mounts(self, builder: MountBuilder, mounts: Sequence[CacheMount]) -> None:
        """Unpack the tar into the builder's `mounts`. Raises CommandFailed, NoSpace, Interrupted."""
        assert self.mounts_staging  # noqa: S101 - stage_mounts was called before; mypy cannot know
        directory, handle = self.mounts_staging
        os.write(handle, packer.END)
        mount_transfer.give(builder.docker, builder.base, mounts, directory.path)

    def commit(self) -> None:
        """Replace every cache by its staged content. Raises CacheRefused."""
        for place, directory in self.staged:
            # A local build cache has a directory for each set of platforms: those that the archive lacks stay.
            others = place.cache.mount is None
            staging.commit(directory, self.locked[place.folder], place.only, keep=skipped(place.cache), others=others)

    def _lock(self, folder: Path) -> int:
        """Lock the cache directory `folder` once, and return its file descriptor. Raises CacheRefused."""
        if folder not in self.locked:
            top = self.stack.enter_context(staging.locked(folder))
            if top is None:
                raise CacheRefused(f"{folder} does not exist", "Run `inv cache.setup`")
            self.locked[folder] = top
        return self.locked[folder]


def _check_archive(archive: ArchiveReader, platform: str) -> None:
    """Raise CacheRefused for another platform, an unknown cache, or a name that a restore must not write."""
    if archive.manifest.platform != platform:
        archive_manifest.refuse(f"it was saved on {archive.manifest.platform}, and this is {platform}")
    for part in archive.manifest.parts:
        if part.kind == "dir" and part.name not in BY_NAME:
            archive_manifest.refuse(f"there is no cache '{part.name}'")
        tops = {entry.path for entry in part.entries if "/" not in entry.path}
        if any(top.startswith(staging.PREFIX) for top in tops):
            archive_manifest.refuse(f"it contains a name that is reserved for restores: {staging.PREFIX}*")
        if part.kind == "dir" and TAG_FILE in tops & skipped(BY_NAME[part.name]):
            archive_manifest.refuse(f"it contains a {TAG_FILE} for a cache that has one")


def _find_place(settings: Settings, part: ArchivePart) -> RestoreTarget:
    cache = BY_NAME[part.name]
    return RestoreTarget(cache, settings.roots.folder(cache), settings.key if cache.scope == "project" else "")


def _check_place(place: RestoreTarget, top: int) -> None:
    """Raise CacheRefused if we lack the permission to delete the current content of a cache."""
    if os.geteuid() == 0:
        return
    handle, tally = os.open(place.only or ".", DIRECTORY, dir_fd=top), Tally()
    try:
        empty_directory(handle, str(place.folder / place.only), tally, act=False, owner=ownership.owner()[0])
    finally:
        os.close(handle)
    if tally.foreign or tally.unreadable:
        problem = f"{place.folder / place.only} contains files of another user"
        raise CacheRefused(problem, f"Remove them with `inv cache.clear --name {place.cache.name}`")


def _unpack(archive: ArchiveReader, sinks: dict[int, Sink]) -> None:
    """Pass every entry to the sink of its part. All of the archive is read, so that all of it is verified."""
    parts = archive.manifest.parts
    with progress_line.show_progress(archive.manifest.bytes) as report_progress:
        for number, entry, content in archive.contents():
            if sink := sinks.get(number):
                sink(entry, content)
            report_progress(parts[number].name, entry.size)
