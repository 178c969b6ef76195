"""Read and fill the builder's cache mounts without root: by helper builds whose records are deleted afterwards."""

import itertools
import shutil
import tarfile
import uuid
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from goldi_tasks import process, tempdir
from goldi_tasks.client.system_info import Docker
from goldi_tasks.errors import CommandFailed, Interrupted, NoSpace, is_disk_full
from goldi_tasks.maintenance.archive import archive_manifest, cache_mounts, link_rules, mount_agent, reader
from goldi_tasks.maintenance.archive.archive_manifest import Entry
from goldi_tasks.maintenance.archive.cache_mounts import CacheMount
from goldi_tasks.maintenance.archive.packer import CHUNK

_FULL = NoSpace("the builder's disk is full", "Free some, see `docker system df`")
# The number of a mount, and its entries.
Taken = Generator[tuple[int, reader.EntryStream], None, None]
# The builder deletes a record only when no other depends on it, so each round deletes the next layer of records.
_ROUNDS = 4


def filled(docker: Docker, declared: Sequence[CacheMount]) -> list[CacheMount]:
    """Return those of the `declared` mounts that exist in the builder. Raises CommandFailed."""
    ids = cache_mounts.filled(process.capture(cache_mounts.disk_usage_command(docker)))
    return [mount for mount in declared if mount.id in ids]


def take(docker: Docker, base: str, mounts: Sequence[CacheMount], skipped: reader.LeftOut) -> Taken:
    """Yield the number of each of `mounts` with its entries, read from a helper build on the image `base`.

    Entries that are not saved are counted in `skipped`. Raises CommandFailed, NoSpace, CacheRefused.
    """
    with tempdir.directory() as top, _deleting_records(docker):
        folder = top / cache_mounts.MARK
        folder.mkdir()
        _write_context(folder, base, mounts, "take")
        try:
            with process.pipe(cache_mounts.build_command(docker, folder, "type=tar,dest=-", "quiet")) as output:
                yield from _read_mounts(output, mounts, skipped)
        except tarfile.TarError as error:
            problem = f"the cache mounts cannot be read from the builder: {error}"
            raise CommandFailed(problem, 1, "Save without them: --no-mounts") from error


def give(docker: Docker, base: str, mounts: Sequence[CacheMount], folder: Path) -> None:
    """Unpack `in/mounts.tar` of `folder` into `mounts`, with a helper build on the image `base`.

    Raises CommandFailed, NoSpace, Interrupted.
    """
    _write_context(folder, base, mounts, "give")
    chunks: list[str] = []
    with _deleting_records(docker):
        try:
            with process.stream(
                cache_mounts.build_command(docker, folder, "type=cacheonly", "plain"), quiet=True
            ) as stream:
                chunks.extend(stream)
        except CommandFailed as error:
            output = "".join(chunks)
            if is_disk_full(output):
                raise _FULL from None
            last = next((line for line in reversed(output.splitlines()) if "goldi:" in line or "ERROR" in line), "")
            raise CommandFailed(f"the builder's cache mounts cannot be filled: {last.strip()}", error.code) from None


def _write_context(folder: Path, base: str, mounts: Sequence[CacheMount], verb: str) -> None:
    """Write the Dockerfile and build contexts of a helper build that runs the agent with the command `verb`."""
    for name in ("in", "context"):
        (folder / name).mkdir(exist_ok=True)
    text = cache_mounts.dockerfile(base, mounts, verb, uuid.uuid4().hex)
    (folder / "Dockerfile").write_text(text, encoding="utf-8")
    shutil.copyfile(mount_agent.__file__, folder / "in" / cache_mounts.AGENT)


@contextmanager
def _deleting_records(docker: Docker) -> Iterator[None]:
    """Run the block, then delete the builder's records of its helper builds, and of earlier killed ones."""
    before = process.capture(cache_mounts.disk_usage_command(docker))
    try:
        yield
    finally:
        # After a second Ctrl-C the next save or restore deletes the remaining records.
        with suppress(CommandFailed, Interrupted):
            for _ in range(_ROUNDS):
                records = cache_mounts.find_helper_records(
                    process.capture(cache_mounts.disk_usage_command(docker)), before
                )
                for record in records:
                    process.capture(cache_mounts.prune_command(docker, record))
                if not records:
                    break


def _read_mounts(output: IO[bytes], mounts: Sequence[CacheMount], skipped: reader.LeftOut) -> Taken:
    """Yield each mount's number and entries from the agent's tar, which is in the image tar `output`."""
    with tarfile.open(fileobj=output, mode="r|", bufsize=1 << 20) as image:
        for member in image:
            if member.name.removeprefix("./") == cache_mounts.TAKEN:
                with tarfile.open(fileobj=image.extractfile(member), mode="r|", bufsize=1 << 20) as tar:
                    groups = itertools.groupby(tar, lambda info: info.name.partition("/")[0])
                    for number, infos in groups:
                        if number == mount_agent.FULL:
                            raise _FULL
                        mount = mounts[int(number)]
                        yield int(number), _read_entries(tar, infos, mount, skipped)
                return
    raise tarfile.TarError(f"the helper build wrote no {cache_mounts.TAKEN}")


def _read_entries(
    tar: tarfile.TarFile, infos: Iterator[tarfile.TarInfo], mount: CacheMount, skipped: reader.LeftOut
) -> reader.EntryStream:
    """Yield the entries of a mount with their content; those that are not saved are counted in `skipped`.

    The content of a directory that is not saved is not saved either.
    """
    folders = {""}
    for info in infos:
        path = info.name.partition("/")[2]
        if path.rpartition("/")[0] not in folders or not archive_manifest.path_is_sound(path):
            skipped.add("with a name that is no text, or too long")
            continue
        target = link_rules.get_saved_target(path, info.linkname, (mount.target,)) if info.issym() else ""
        if target is None or not archive_manifest.is_text(target):
            skipped.add("that are links out of their cache")
            continue
        if info.isdir():
            folders.add(path)
        kind: archive_manifest.Kind = "d" if info.isdir() else "l" if info.issym() else "f"
        clean = reader.entry(kind, path, info.mode, info.mtime, info.size if kind == "f" else 0, target)
        uid, gid = min(info.uid, archive_manifest.OWNER), min(info.gid, archive_manifest.OWNER)
        entry = Entry(kind, path, clean.mode, clean.mtime, clean.size, target=target, uid=uid, gid=gid)
        content = tar.extractfile(info) if kind == "f" else None
        yield entry, iter(lambda file=content: file.read(CHUNK) if file else b"", b"")  # type: ignore[misc]
