"""Putting the caches of an archive in place, once all of it is unpacked and found to be what it says."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks import ownership
from goldi_tasks.cache import cache_directories
from goldi_tasks.cache.safe_delete import DIRECTORY, Tally, walk
from goldi_tasks.errors import CacheRefused, NoSpace
from goldi_tasks.maintenance import progress_line
from goldi_tasks.maintenance.archive import archive_manifest, mount_transfer, staging, tar_headers, writer
from goldi_tasks.maintenance.archive.archive_manifest import Entry, Part
from goldi_tasks.maintenance.archive.cache_mounts import Mount
from goldi_tasks.maintenance.archive.save_archive import Builder, failure, skipped
from goldi_tasks.maintenance.archive.unpacker import Unpack, opened
from goldi_tasks.paths import BY_NAME, TAG_FILE, Cache, build_cache
from goldi_tasks.settings import Settings
from goldi_tasks.units import format_size

# A file takes whole blocks, and its name takes some.
_BLOCK = 4096

# Takes an entry with its content.
Sink = Callable[[Entry, Iterator[bytes]], None]


@dataclass(frozen=True)
class Restored:
    """What came of it: what is in place now, what the archive has more, and seconds."""

    key: str
    parts: Sequence[Part]
    left: Sequence[Part]
    seconds: float


def restore(settings: Settings, names: Sequence[str], platform: str, builder: Builder | None, file: Path) -> Restored:
    """Put what is in `file` in place: the caches in `names`, all for (), and the cache mounts that `builder` reaches.

    Raises CacheRefused for an archive that is not what it says or a cache that cannot be replaced, NoSpace,
    CommandFailed, Interrupted; then every cache is as it was.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        archive = Unpack(stack.enter_context(opened(file)))
        _check(archive, platform)
        parts = archive.manifest.parts
        places = {number: _place(settings, part) for number, part in enumerate(parts) if part.kind == "dir"}
        places = {number: place for number, place in places.items() if not names or place.cache.name in names}
        declared = {mount.id: mount for mount in builder.declared} if builder else {}
        given = [number for number, part in enumerate(parts) if part.kind == "mount" and part.name in declared]
        work = _Work(settings, stack)
        work.room([parts[number] for number in (*places, *given)])
        sinks: dict[int, Sink] = {number: work.directory(place) for number, place in places.items()}
        if given:
            sinks |= work.mounts(given)
        _fill(archive, sinks)
        if given and builder:
            work.give(builder, [declared[parts[number].name] for number in given])
        work.commit()
    done = {*places, *given}
    return Restored(
        archive.manifest.key,
        [part for number, part in enumerate(parts) if number in done],
        [part for number, part in enumerate(parts) if number not in done],
        time.monotonic() - began,
    )


@dataclass(frozen=True)
class Place:
    """Where a cache of an archive goes: `only` is the project's directory in the cache's, "" for a shared cache."""

    cache: Cache
    folder: Path
    only: str


class _Work:
    """The staging directories of a restore; `stack` removes them."""

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self.settings, self.stack = settings, stack
        self.tops: dict[Path, int] = {}
        self.staged: list[tuple[Place, staging.Stage]] = []
        self.mounted: tuple[staging.Stage, int] | None = None

    def room(self, parts: Sequence[Part]) -> None:
        """Raises NoSpace where they cannot all be unpacked."""
        roots = self.settings.roots
        needed: dict[int, int] = {}
        free: dict[int, int] = {}
        for part in parts:
            cache = BY_NAME[part.name] if part.kind == "dir" else build_cache("builder")
            cache_directories.ensure(roots, roots.folder(cache))
            found = os.statvfs(roots.folder(cache))
            device = roots.folder(cache).stat().st_dev
            free[device] = found.f_bavail * found.f_frsize
            needed[device] = needed.get(device, 0) + part.bytes + _BLOCK * len(part.entries)
            if needed[device] > free[device]:
                problem = f"{roots.of(cache)} has {format_size(free[device])} free, which the archive does not fit in"
                raise NoSpace(problem, "Free some, see `inv cache.status`, or restore less with --name")

    def directory(self, place: Place) -> Sink:
        """What fills a cache's staging directory."""
        cache_directories.ensure(self.settings.roots, place.folder / place.only)
        top = self._locked(place.folder)
        _check_place(place, top)
        made = self.stack.enter_context(staging.staged(place.folder, top, f"{place.only or 'all'}.d"))
        tree = writer.Tree(staging.new(made))
        self.stack.callback(tree.close)
        self.staged.append((place, made))

        def add(entry: Entry, content: Iterator[bytes]) -> None:
            try:
                tree.add(entry, content)
            except OSError as error:
                raise failure(error, f"{place.folder / entry.path}", str(place.folder)) from error

        return add

    def mounts(self, numbers: Sequence[int]) -> dict[int, Sink]:
        """What fills the tar that the builder is given."""
        cache = build_cache("builder")
        folder = self.settings.roots.folder(cache)
        cache_directories.ensure(self.settings.roots, folder)
        made = self.stack.enter_context(staging.staged(folder, self._locked(folder), f"{self.settings.key}.mounts"))
        os.mkdir("in", 0o700, dir_fd=made.handle)
        handle = os.open("in/mounts.tar", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=made.handle)
        out = self.stack.enter_context(os.fdopen(handle, "wb"))
        self.mounted = (made, handle)

        def sink(mount: int) -> Sink:
            def add(entry: Entry, content: Iterator[bytes]) -> None:
                try:
                    out.write(tar_headers.head(f"{mount}/{entry.path}", entry))
                    for data in content:
                        out.write(data)
                    out.write(tar_headers.padding(entry.size))
                    out.flush()
                except OSError as error:
                    raise failure(error, f"{folder} cannot be written to", str(folder)) from error

            return add

        return {number: sink(mount) for mount, number in enumerate(numbers)}

    def give(self, builder: Builder, given: Sequence[Mount]) -> None:
        """Let the builder fill its mounts."""
        assert self.mounted  # noqa: S101 - who gives has filled; mypy cannot know
        made, handle = self.mounted
        os.write(handle, tar_headers.END)
        mount_transfer.give(builder.docker, builder.base, given, made.path)

    def commit(self) -> None:
        """Put every cache in place."""
        for place, made in self.staged:
            # Of a build cache each set of platforms is a cache of its own.
            others = place.cache.mount is None
            staging.commit(made, self.tops[place.folder], place.only, keep=skipped(place.cache), others=others)

    def _locked(self, folder: Path) -> int:
        if folder not in self.tops:
            top = self.stack.enter_context(staging.locked(folder))
            if top is None:
                raise CacheRefused(f"{folder} is not there", "Run `inv cache.setup`")
            self.tops[folder] = top
        return self.tops[folder]


def _check(archive: Unpack, platform: str) -> None:
    if archive.manifest.platform != platform:
        archive_manifest.refuse(f"it was saved on {archive.manifest.platform}, and this is {platform}")
    for part in archive.manifest.parts:
        if part.kind == "dir" and part.name not in BY_NAME:
            archive_manifest.refuse(f"there is no cache '{part.name}'")
        tops = {entry.path for entry in part.entries if "/" not in entry.path}
        if any(top.startswith(staging.PREFIX) for top in tops):
            archive_manifest.refuse("it has what looks like a restore of ours")
        if part.kind == "dir" and TAG_FILE in tops & skipped(BY_NAME[part.name]):
            archive_manifest.refuse(f"it has a {TAG_FILE} for a cache that has one")


def _place(settings: Settings, part: Part) -> Place:
    cache = BY_NAME[part.name]
    return Place(cache, settings.roots.folder(cache), settings.key if cache.scope == "project" else "")


def _check_place(place: Place, top: int) -> None:
    """That what is there can be put aside. Raises CacheRefused."""
    if os.geteuid() == 0:
        return
    inside, tally = os.open(place.only or ".", DIRECTORY, dir_fd=top), Tally()
    try:
        walk(inside, str(place.folder / place.only), tally, act=False, owner=ownership.owner()[0])
    finally:
        os.close(inside)
    if tally.foreign or tally.unreadable:
        problem = f"{place.folder / place.only} holds files of another user"
        raise CacheRefused(problem, f"Remove them with `inv cache.clear --name {place.cache.name}`")


def _fill(archive: Unpack, sinks: dict[int, Sink]) -> None:
    """Give every entry to the sink of its part, and read all of the archive."""
    parts = archive.manifest.parts
    with progress_line.shown(archive.manifest.bytes) as tell:
        for number, entry, content in archive.contents():
            if sink := sinks.get(number):
                sink(entry, content)
            tell(parts[number].name, entry.size)
