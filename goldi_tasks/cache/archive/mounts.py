"""The builder's cache mounts, reached without being root: by throw-away builds that leave nothing behind."""

import itertools
import shutil
import tarfile
import uuid
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from goldi_tasks import run, scratch
from goldi_tasks.cache.archive import agent, collect, form, links
from goldi_tasks.cache.archive.form import Entry
from goldi_tasks.cache.archive.packing import CHUNK
from goldi_tasks.errors import CommandFailed, Interrupted, NoSpace
from goldi_tasks.plan import mounts as plan
from goldi_tasks.plan.mounts import Mount
from goldi_tasks.probe import Docker

_FULL = NoSpace("the builder's disk is full", "Free some, see `docker system df`")
# The number of a mount, and what is in it.
Taken = Generator[tuple[int, collect.Found], None, None]
# A record goes when nothing is built on it any more.
_ROUNDS = 4


def filled(docker: Docker, declared: Sequence[Mount]) -> list[Mount]:
    """Those of the `declared` mounts that builds have filled here. Raises CommandFailed."""
    known = plan.filled(run.capture(plan.listed(docker)))
    return [mount for mount in declared if mount.id in known]


def take(docker: Docker, base: str, mounts: Sequence[Mount], left: collect.Left) -> Taken:
    """What is in each of `mounts`, with its number, as it comes. Raises CommandFailed, NoSpace, CacheRefused."""
    with scratch.directory() as top, _forgetting(docker):
        folder = top / plan.MARK
        folder.mkdir()
        _write(folder, base, mounts, "take")
        try:
            with run.pipe(plan.build(docker, folder, "type=tar,dest=-", "quiet")) as out:
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
            with run.stream(plan.build(docker, folder, "type=cacheonly", "plain"), quiet=True) as texts:
                heard.extend(texts)
        except CommandFailed as error:
            said = "".join(heard)
            if "no space left" in said.lower():
                raise _FULL from None
            last = next((line for line in reversed(said.splitlines()) if "goldi:" in line or "ERROR" in line), "")
            raise CommandFailed(f"the builder did not take the cache mounts: {last.strip()}", error.code) from None


def _write(folder: Path, base: str, mounts: Sequence[Mount], verb: str) -> None:
    for inside in ("in", "context"):
        (folder / inside).mkdir(exist_ok=True)
    text = plan.dockerfile(base, mounts, verb, uuid.uuid4().hex)
    (folder / "Dockerfile").write_text(text, encoding="utf-8")
    shutil.copyfile(agent.__file__, folder / "in" / plan.AGENT)


@contextmanager
def _forgetting(docker: Docker) -> Iterator[None]:
    """What the builder remembers of the block's builds it forgets in the end, and of killed ones before."""
    before = run.capture(plan.listed(docker))
    try:
        yield
    finally:
        # The client has ended; a second Ctrl-C leaves the rest to the next one.
        with suppress(CommandFailed, Interrupted):
            for _ in range(_ROUNDS):
                records = plan.left(run.capture(plan.listed(docker)), before)
                for record in records:
                    run.capture(plan.forgotten(docker, record))
                if not records:
                    break


def _numbered(out: IO[bytes], mounts: Sequence[Mount], left: collect.Left) -> Taken:
    with tarfile.open(fileobj=out, mode="r|", bufsize=1 << 20) as image:
        for member in image:
            if member.name.removeprefix("./") == plan.TAKEN:
                with tarfile.open(fileobj=image.extractfile(member), mode="r|", bufsize=1 << 20) as tar:
                    groups = itertools.groupby(tar, lambda info: info.name.partition("/")[0])
                    for number, infos in groups:
                        if number == agent.FULL:
                            raise _FULL
                        mount = mounts[int(number)]
                        yield int(number), _entries(tar, infos, mount, left)
                return
    raise tarfile.TarError("there is nothing in what it made")


def _entries(tar: tarfile.TarFile, infos: Iterator[tarfile.TarInfo], mount: Mount, left: collect.Left) -> collect.Found:
    """What is in a mount; what is in a directory that is left out is left out, too."""
    folders = {""}
    for info in infos:
        path = info.name.partition("/")[2]
        if path.rpartition("/")[0] not in folders or not form.path_is_sound(path):
            left.add("with a name that is no text, or too long")
            continue
        target = links.kept(path, info.linkname, (mount.target,)) if info.issym() else ""
        if target is None or not form.is_text(target):
            left.add("that are links out of their cache")
            continue
        if info.isdir():
            folders.add(path)
        kind: form.Kind = "d" if info.isdir() else "l" if info.issym() else "f"
        plain = collect.entry(kind, path, info.mode, info.mtime, info.size if kind == "f" else 0, target)
        uid, gid = min(info.uid, form.OWNER), min(info.gid, form.OWNER)
        entry = Entry(kind, path, plain.mode, plain.mtime, plain.size, target=target, uid=uid, gid=gid)
        content = tar.extractfile(info) if kind == "f" else None
        yield entry, iter(lambda file=content: file.read(CHUNK) if file else b"", b"")  # type: ignore[misc]
