"""The builder's cache mounts, reached without being root: by throw-away builds that leave nothing behind."""

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
from goldi_tasks.maintenance.archive.cache_mounts import Mount
from goldi_tasks.maintenance.archive.packer import CHUNK

_FULL = NoSpace("the builder's disk is full", "Free some, see `docker system df`")
# The number of a mount, and what is in it.
Taken = Generator[tuple[int, reader.Found], None, None]
# A record goes when nothing is built on it any more.
_ROUNDS = 4


def filled(docker: Docker, declared: Sequence[Mount]) -> list[Mount]:
    """Those of the `declared` mounts that builds have filled here. Raises CommandFailed."""
    known = cache_mounts.filled(process.capture(cache_mounts.listed(docker)))
    return [mount for mount in declared if mount.id in known]


def take(docker: Docker, base: str, mounts: Sequence[Mount], left: reader.Left) -> Taken:
    """What is in each of `mounts`, with its number, as it comes. Raises CommandFailed, NoSpace, CacheRefused."""
    with tempdir.directory() as top, _forgetting(docker):
        folder = top / cache_mounts.MARK
        folder.mkdir()
        _write(folder, base, mounts, "take")
        try:
            with process.pipe(cache_mounts.build(docker, folder, "type=tar,dest=-", "quiet")) as out:
                yield from _numbered(out, mounts, left)
        except tarfile.TarError as error:
            problem = f"the builder did not hand out its cache mounts: {error}"
            raise CommandFailed(problem, 1, "Save without them: --no-mounts") from error


def give(docker: Docker, base: str, mounts: Sequence[Mount], folder: Path) -> None:
    """Put `in/mounts.tar` of `folder` into `mounts`. Raises CommandFailed, NoSpace, Interrupted."""
    _write(folder, base, mounts, "give")
    heard: list[str] = []
    with _forgetting(docker):
        try:
            with process.stream(cache_mounts.build(docker, folder, "type=cacheonly", "plain"), quiet=True) as texts:
                heard.extend(texts)
        except CommandFailed as error:
            said = "".join(heard)
            if is_disk_full(said):
                raise _FULL from None
            last = next((line for line in reversed(said.splitlines()) if "goldi:" in line or "ERROR" in line), "")
            raise CommandFailed(f"the builder did not take the cache mounts: {last.strip()}", error.code) from None


def _write(folder: Path, base: str, mounts: Sequence[Mount], verb: str) -> None:
    for inside in ("in", "context"):
        (folder / inside).mkdir(exist_ok=True)
    text = cache_mounts.dockerfile(base, mounts, verb, uuid.uuid4().hex)
    (folder / "Dockerfile").write_text(text, encoding="utf-8")
    shutil.copyfile(mount_agent.__file__, folder / "in" / cache_mounts.AGENT)


@contextmanager
def _forgetting(docker: Docker) -> Iterator[None]:
    """What the builder remembers of the block's builds it forgets in the end, and of killed ones before."""
    before = process.capture(cache_mounts.listed(docker))
    try:
        yield
    finally:
        # The client has ended; a second Ctrl-C leaves the rest to the next one.
        with suppress(CommandFailed, Interrupted):
            for _ in range(_ROUNDS):
                records = cache_mounts.left(process.capture(cache_mounts.listed(docker)), before)
                for record in records:
                    process.capture(cache_mounts.forgotten(docker, record))
                if not records:
                    break


def _numbered(out: IO[bytes], mounts: Sequence[Mount], left: reader.Left) -> Taken:
    with tarfile.open(fileobj=out, mode="r|", bufsize=1 << 20) as image:
        for member in image:
            if member.name.removeprefix("./") == cache_mounts.TAKEN:
                with tarfile.open(fileobj=image.extractfile(member), mode="r|", bufsize=1 << 20) as tar:
                    groups = itertools.groupby(tar, lambda info: info.name.partition("/")[0])
                    for number, infos in groups:
                        if number == mount_agent.FULL:
                            raise _FULL
                        mount = mounts[int(number)]
                        yield int(number), _entries(tar, infos, mount, left)
                return
    raise tarfile.TarError("there is nothing in what it made")


def _entries(tar: tarfile.TarFile, infos: Iterator[tarfile.TarInfo], mount: Mount, left: reader.Left) -> reader.Found:
    """What is in a mount; what is in a directory that is left out is left out, too."""
    folders = {""}
    for info in infos:
        path = info.name.partition("/")[2]
        if path.rpartition("/")[0] not in folders or not archive_manifest.path_is_sound(path):
            left.add("with a name that is no text, or too long")
            continue
        target = link_rules.kept(path, info.linkname, (mount.target,)) if info.issym() else ""
        if target is None or not archive_manifest.is_text(target):
            left.add("that are links out of their cache")
            continue
        if info.isdir():
            folders.add(path)
        kind: archive_manifest.Kind = "d" if info.isdir() else "l" if info.issym() else "f"
        plain = reader.entry(kind, path, info.mode, info.mtime, info.size if kind == "f" else 0, target)
        uid, gid = min(info.uid, archive_manifest.OWNER), min(info.gid, archive_manifest.OWNER)
        entry = Entry(kind, path, plain.mode, plain.mtime, plain.size, target=target, uid=uid, gid=gid)
        content = tar.extractfile(info) if kind == "f" else None
        yield entry, iter(lambda file=content: file.read(CHUNK) if file else b"", b"")  # type: ignore[misc]
