"""Writing caches to one file, in one go: nothing is held in memory, nothing is there by its name until it is whole."""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from goldi_tasks import atomic, locks, ownership, process
from goldi_tasks.bake import bakefile, build_request, builds, control_files
from goldi_tasks.cache.safe_delete import DIRECTORY
from goldi_tasks.client import system_info
from goldi_tasks.client.system_info import Docker
from goldi_tasks.errors import CacheRefused, NoSpace, is_disk_full
from goldi_tasks.maintenance import progress_line
from goldi_tasks.maintenance.archive import archive_manifest, cache_mounts, mount_transfer, reader, staging
from goldi_tasks.maintenance.archive.archive_manifest import Manifest, Part
from goldi_tasks.maintenance.archive.cache_mounts import Mount
from goldi_tasks.maintenance.archive.packer import Pack
from goldi_tasks.paths import CACHES, TAG_FILE, Cache
from goldi_tasks.settings import Settings, image_names

STDOUT = "-"
# What an empty machine makes as fast as it unpacks it, and what holds links to the machine that made it.
_SELDOM = ("goldilocks-venv", "goldilocks-node-modules")


@dataclass(frozen=True)
class Builder:
    """What is needed to reach cache mounts: the engine, an image with Python that is there, the project's mounts."""

    docker: Docker
    base: str
    declared: Sequence[Mount]


def find_builder(settings: Settings) -> Builder:
    """Return what reaches the cache mounts of the project's Dockerfiles. Raises what bake and the engine raise."""
    docker, mounts = system_info.docker(), dict[str, Mount]()
    command = builds.print_command(settings, build_request.public(bakefile.load(settings)))
    for target in json.loads(process.capture(command, cwd=settings.project))["target"].values():
        with suppress(OSError, control_files.NotUnderstood):
            text = control_files.find(settings.project, target).text
            mounts |= cache_mounts.declared(text, target.get("args", {}), docker.platform)
    base = image_names.base_images(settings, settings.made_images)["PYTHON_IMAGE"]
    return Builder(docker, base, tuple(mounts.values()))


@dataclass(frozen=True)
class Saved:
    """What came of it: bytes of the archive, what is in it, how much was left out by reason, and seconds."""

    file: str
    bytes: int
    parts: Sequence[Part]
    left: dict[str, int]
    seconds: float


def usual(project: bool) -> tuple[Cache, ...]:
    """The caches that help a build and a check on an empty machine; only the project's own if so wanted."""
    return tuple(cache for cache in CACHES if cache.name not in _SELDOM and not (project and cache.scope == "shared"))


def save(settings: Settings, caches: Sequence[Cache], platform: str, builder: Builder | None, file: str) -> Saved:
    """Save `caches` of the project, and the cache mounts that `builder` reaches, to `file`, or `-` for standard output.

    Raises CacheRefused, NoSpace, CommandFailed, Interrupted.
    """
    began, left, parts = time.monotonic(), reader.Left(), list[Part]()
    try:
        with written(file) as out, progress_line.shown() as tell:
            pack = Pack(out)
            for cache in caches:
                _directory(settings, cache, pack, parts, left, tell)
            if builder and (filled := mount_transfer.filled(builder.docker, builder.declared)):
                with closing(mount_transfer.take(builder.docker, builder.base, filled, left)) as found:
                    for number, entries in found:
                        _part(pack, parts, "mount", filled[number].id, entries, tell)
            pack.end(Manifest(settings.key, platform, parts))
    except OSError as error:
        raise failure(error, f"{file} cannot be written", "the archive") from error
    return Saved(file, pack.bytes, parts, left.reasons, time.monotonic() - began)


def failure(error: OSError, what: str, whose: str) -> CacheRefused | NoSpace:
    """What to tell of an error of the system."""
    if is_disk_full(error):
        return NoSpace(f"the disk of {whose} is full", "Free some, see `inv cache.status`")
    return CacheRefused(f"{what}: {error.strerror or error}", "Choose another place")


@contextmanager
def written(file: str) -> Iterator[IO[bytes]]:
    """Something to write to, which is called `file` once the block has ended well. Raises CacheRefused, OSError."""
    if file == STDOUT:
        if sys.stdout.isatty():
            problem = "standard output is a terminal, and an archive is no text"
            raise CacheRefused(problem, "Redirect it: `inv cache.save - > FILE`")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    if path.is_dir():
        raise CacheRefused(f"{path} is a directory", "Name a file")
    # Always the same name: what a killed one has left is taken over by the next.
    draft = path.with_name(f".{path.name}.goldi-part")
    handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as out:
        if not locks.try_acquire(handle):
            raise CacheRefused(f"{path} is being written by another", "Wait for it, or name another file")
        try:
            os.ftruncate(handle, 0)
            yield out
            out.flush()
            atomic.give(draft, ownership.owner())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            with suppress(OSError):
                # What cannot be written must not be tried again when it is closed.
                os.ftruncate(handle, 0)
            raise


def _directory(
    settings: Settings, cache: Cache, pack: Pack, parts: list[Part], left: reader.Left, tell: progress_line.Tell
) -> None:
    """Write a cache of the project, if it is there."""
    folder = settings.roots.folder(cache)
    with staging.locked(folder) as top:
        if top is None:
            return
        only = settings.key if cache.scope == "project" else "."
        try:
            inside = os.open(only, DIRECTORY, dir_fd=top)
        except FileNotFoundError:
            return
        except OSError as error:
            raise CacheRefused(f"{folder / only} cannot be opened: {error.strerror}", "Remove it yourself") from error
        try:
            found = reader.tree(inside, skipped(cache), _places(settings, cache), left)
            _part(pack, parts, "dir", cache.name, found, tell)
        finally:
            os.close(inside)


def skipped(cache: Cache) -> frozenset[str]:
    """What stays where it is at the top of a cache: the mark of the directory that all projects share."""
    return frozenset({TAG_FILE}) if cache.scope == "shared" else frozenset()


def _places(settings: Settings, cache: Cache) -> tuple[str, ...]:
    """Where a cache is seen, here and in containers."""
    mounted = (str(cache.mount),) if cache.mount is not None and cache.mount.is_absolute() else ()
    return (*mounted, str(settings.roots.path(cache, settings.key)))


def _part(
    pack: Pack,
    parts: list[Part],
    kind: archive_manifest.PartKind,
    name: str,
    found: reader.Found,
    tell: progress_line.Tell,
) -> None:
    number, part = len(parts), Part(kind, name, [])
    with closing(found) as entries:
        rows = []
        for entry, content in entries:
            try:
                rows.append(pack.add(archive_manifest.member(number, part, entry.path), entry, content))
            except ValueError as error:
                raise CacheRefused(str(error), "Save again when nothing writes to that cache") from error
            tell(name, entry.size)
    if rows:
        parts.append(Part(kind, name, rows))
