"""Save caches to an archive file, written as a stream; it gets its name once it is complete."""

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
from goldi_tasks.maintenance.archive import archive_manifest, cache_mounts, mount_transfer, reader, staging, unpacker
from goldi_tasks.maintenance.archive.archive_manifest import ArchivePart, Manifest
from goldi_tasks.maintenance.archive.cache_mounts import CacheMount
from goldi_tasks.maintenance.archive.packer import MANIFEST, ArchiveWriter, zstd
from goldi_tasks.paths import CACHES, TAG_FILE, Cache
from goldi_tasks.settings import Settings, image_names

STDOUT = "-"
# Caches that are not saved by default: a new machine creates them as fast as it unpacks them, and they contain symbolic
# links to files outside the cache.
_NOT_SAVED = ("goldilocks-venv", "goldilocks-node-modules")
# How the name of the first tar member begins in an archive of `cache.save`.
_FIRST = (b"caches/", b"mounts/", b"pax\0", MANIFEST.encode())


@dataclass(frozen=True)
class MountBuilder:
    """Access to cache mounts: the engine, a base image with Python, and the mounts that the Dockerfiles declare."""

    docker: Docker
    base: str
    declared: Sequence[CacheMount]


def find_builder(settings: Settings) -> MountBuilder:
    """Return the engine, base image and cache mounts of the project. Raises what bake and the engine raise."""
    docker, mounts = system_info.docker(), dict[str, CacheMount]()
    command = builds.print_command(settings, build_request.public(bakefile.load(settings)))
    for target in json.loads(process.capture(command, cwd=settings.project))["target"].values():
        with suppress(OSError, control_files.NotUnderstood):
            text = control_files.find(settings.project, target).text
            mounts |= cache_mounts.parse_mounts(text, target.get("args", {}), docker.platform)
    base = image_names.base_images(settings, settings.made_images)["PYTHON_IMAGE"]
    return MountBuilder(docker, base, tuple(mounts.values()))


@dataclass(frozen=True)
class Saved:
    """The result of a save: the archive's size in bytes, its caches, and the number of entries left out, by reason."""

    file: str
    bytes: int
    parts: Sequence[ArchivePart]
    left_out: dict[str, int]
    seconds: float


def list_default_caches(project: bool) -> tuple[Cache, ...]:
    """Return the caches that are saved by default; with `project` without those that projects share."""
    return tuple(
        cache for cache in CACHES if cache.name not in _NOT_SAVED and not (project and cache.scope == "shared")
    )


def save(settings: Settings, caches: Sequence[Cache], platform: str, builder: MountBuilder | None, file: str) -> Saved:
    """Save `caches` of the project and the cache mounts that `builder` declares to `file`, or `-` for standard output.

    Raises CacheRefused, NoSpace, CommandFailed, Interrupted.
    """
    start, left_out, parts = time.monotonic(), reader.LeftOut(), list[ArchivePart]()
    try:
        with written(file) as output, progress_line.show_progress() as report_progress:
            pack = ArchiveWriter(output)
            for cache in caches:
                _save_directory(settings, cache, pack, parts, left_out, report_progress)
            if builder and (filled := mount_transfer.filled(builder.docker, builder.declared)):
                with closing(mount_transfer.take(builder.docker, builder.base, filled, left_out)) as mounts:
                    for number, entries in mounts:
                        _save_part(pack, parts, "mount", filled[number].id, entries, report_progress)
            pack.end(Manifest(settings.key, platform, parts))
    except OSError as error:
        raise failure(error, f"{file} cannot be written", "the archive") from error
    return Saved(file, pack.bytes, parts, left_out.reasons, time.monotonic() - start)


def failure(error: OSError, problem: str, path: str) -> CacheRefused | NoSpace:
    """Return the exception to raise for `error`: NoSpace if the disk of `path` is full, else CacheRefused."""
    if is_disk_full(error):
        return NoSpace(f"the disk of {path} is full", "Free some, see `inv cache.status`")
    return CacheRefused(f"{problem}: {error.strerror or error}", "Choose another place")


@contextmanager
def written(file: str) -> Iterator[IO[bytes]]:
    """Open a temporary file that is renamed to `file` when the block ends without an exception; "-" is standard output.

    Raises CacheRefused, OSError.
    """
    if file == STDOUT:
        if sys.stdout.isatty():
            problem = "standard output is a terminal, and an archive is binary"
            raise CacheRefused(problem, "Redirect it: `inv cache.save - > FILE`")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    if path.is_dir():
        raise CacheRefused(f"{path} is a directory", "Name a file")
    # The name is constant, so that a save overwrites the file of a killed one.
    draft = path.with_name(f".{path.name}.goldi-part")
    handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as output:
        if not locks.try_acquire(handle):
            raise CacheRefused(f"{path} is being written by another process", "Wait for it, or name another file")
        try:
            os.ftruncate(handle, 0)
            yield output
            output.flush()
            atomic.change_owner(draft, ownership.owner())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            with suppress(OSError):
                # Without this, closing the file would try to write the rest again.
                os.ftruncate(handle, 0)
            raise


def _save_directory(
    settings: Settings,
    cache: Cache,
    pack: ArchiveWriter,
    parts: list[ArchivePart],
    left_out: reader.LeftOut,
    report_progress: progress_line.ReportProgress,
) -> None:
    """Write a cache of the project to `pack` and add it to `parts`, if it exists. Raises CacheRefused."""
    folder = settings.roots.folder(cache)
    with staging.locked(folder) as top:
        if top is None:
            return
        only = settings.key if cache.scope == "project" else "."
        try:
            handle = os.open(only, DIRECTORY, dir_fd=top)
        except FileNotFoundError:
            return
        except OSError as error:
            raise CacheRefused(f"{folder / only} cannot be opened: {error.strerror}", "Remove it yourself") from error
        try:
            entries = reader.tree(handle, skipped(cache), _list_paths(settings, cache), left_out)
            _save_part(pack, parts, "dir", cache.name, entries, report_progress)
        finally:
            os.close(handle)


def skipped(cache: Cache) -> frozenset[str]:
    """Return the names at the top of a cache that are neither saved nor replaced: the tag of a shared cache."""
    return frozenset({TAG_FILE}) if cache.scope == "shared" else frozenset()


def _list_paths(settings: Settings, cache: Cache) -> tuple[str, ...]:
    """Return the paths of a cache in containers and on the host."""
    mounted = (str(cache.mount),) if cache.mount is not None and cache.mount.is_absolute() else ()
    return (*mounted, str(settings.roots.path(cache, settings.key)))


def _save_part(
    pack: ArchiveWriter,
    parts: list[ArchivePart],
    kind: archive_manifest.PartKind,
    name: str,
    entries: reader.EntryStream,
    report_progress: progress_line.ReportProgress,
) -> None:
    """Write `entries` to `pack`, and add their cache to `parts` unless it is empty. Raises CacheRefused."""
    number, part = len(parts), ArchivePart(kind, name, [])
    saved = []
    with closing(entries):
        for entry, content in entries:
            try:
                saved.append(pack.add(archive_manifest.member(number, part, entry.path), entry, content))
            except ValueError as error:
                raise CacheRefused(str(error), "Save again when nothing writes to that cache") from error
            report_progress(name, entry.size)
    if saved:
        parts.append(ArchivePart(kind, name, saved))


def find_loss(file: str, key: str) -> str:
    """Return what a save of the project `key` to `file` would destroy, as a clause.

    "" where nothing is lost: an archive of the same project, also a damaged one, may be replaced. Raises CacheRefused
    for a device, a pipe and a broken link.
    """
    path = Path(file)
    if file == STDOUT or not os.path.lexists(path) or path.is_dir():
        return ""
    if not path.is_file():
        raise CacheRefused(f"{path} is not a regular file", "Name a file, or - for standard output")
    with unpacker.opened(path) as archive:
        if not path.stat().st_size:
            return ""
        try:
            saved_by = unpacker.ArchiveReader(archive).manifest.key
        except CacheRefused:
            return "" if _is_ours(archive) else f"{path} is a file that was not written by cache.save"
    # The part of a key after the last "-" is a hash of the project's path, which differs between runs of a CI.
    is_same_project = saved_by.rpartition("-")[0] == key.rpartition("-")[0]
    return "" if is_same_project else f"{path} has the caches of another project, {saved_by}"


def _is_ours(archive: IO[bytes]) -> bool:
    """Return whether a damaged archive begins like one of `cache.save`."""
    archive.seek(0)
    try:
        with zstd().ZstdFile(archive) as plain:
            return bool(plain.read(512).startswith(_FIRST))
    except (OSError, EOFError, zstd().ZstdError):
        return False
