"""What must be true after every fault. Each gives what is wrong, in sentences; none is good."""

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from goldi_tasks.maintenance.archive.cache_mounts import MARK
from tests.campaign import faults
from tests.campaign.scene import Said, Scene

IMAGE = "bears:latest"
# A frame of ours: Ctrl-C while Python itself starts is not ours to hold.
OURS = re.compile(r'File "[^"]*/goldi_tasks/')
# Seconds that orphans of a killed process get to find out.
_PATIENCE = 15.0
# How much larger than what it refers to a local cache may be.
_ROOM = 1.1


def told(what: str, said: Said, codes: tuple[int, ...] = (0,)) -> Iterator[str]:
    """That it ended with one of `codes`, () for any, and without a traceback."""
    if "Traceback (most recent call last)" in said.text and OURS.search(said.text):
        yield f"{what} ended in a traceback:\n{said.text}"
    elif codes and said.code not in codes:
        yield f"{what} ended with {said.code}, not {' or '.join(map(str, codes))}:\n{said.text}"


def image(scene: Scene, what: str) -> Iterator[str]:
    """That the image holds what the source says."""
    try:
        proof, lock = scene.engine.files(IMAGE, ("/proof", "/lock"), scene.base)
    except (RuntimeError, OSError) as error:
        yield f"{what}: the image cannot be read: {error}"
        return
    if proof.decode() != scene.proof():
        yield f"{what}: the image was made from another source:\n{proof.decode()}instead of\n{scene.proof()}"
    if lock != (scene.project / "lock").read_bytes():
        yield f"{what}: the image was made from another lock"


def local(folder: Path) -> Iterator[str]:
    """That a local cache is whole, and holds what it refers to and little else. By our own lights."""
    try:
        wanted = dict(_referred(folder))
    except (OSError, ValueError, LookupError) as error:
        yield f"the local cache has no good index: {error!r}"
        return
    blobs = folder / "blobs/sha256"
    for name, size in wanted.items():
        if not (blobs / name).is_file():
            yield f"blob {name} is missing in the local cache"
        elif (blobs / name).stat().st_size != size:
            yield f"blob {name} of the local cache has not {size} bytes"
    for path in blobs.iterdir():
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != path.name:
                yield f"{path} is not what its name says"
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > _ROOM * sum(wanted.values()):
        yield f"the local cache has {size} bytes, and refers to {sum(wanted.values())}"


def _referred(folder: Path) -> Iterator[tuple[str, int]]:
    """Name and size of every blob that the index leads to."""
    waiting: list[Any] = [json.loads((folder / "index.json").read_bytes())]
    while waiting:
        manifest = waiting.pop()
        for part in (*manifest.get("manifests", ()), *manifest.get("layers", ()), manifest.get("config")):
            if part:
                name = part["digest"].removeprefix("sha256:")
                yield name, part["size"]
                if "manifest" in part["mediaType"] or "index" in part["mediaType"]:
                    with suppress(OSError, ValueError):
                        waiting.append(json.loads((folder / "blobs/sha256" / name).read_bytes()))


def shape(scene: Scene) -> set[str]:
    """Every path that there is in the project, the caches, the state and TMPDIR; names of content are left out."""
    found = set()
    for tree in scene.trees():
        for path in tree.rglob("*"):
            if path.parent.name != "sha256" and path.parent.parent.name != "builds":
                # A tools container is named after what it mounts.
                found.add(re.sub(r"[0-9a-f]{12}", "ID", str(path.relative_to(scene.base))))
    return found


def leftovers(scene: Scene, usual: set[str]) -> Iterator[str]:
    """That nothing is there that was not there before: files, processes, containers."""
    for name in sorted(shape(scene) - usual):
        yield f"{name} was left"
    for path in scene.state.rglob(".*"):
        yield f"{path.relative_to(scene.base)} was left"
    for line in _strays(scene):
        yield f"a process was left: {line}"
    for record in scene.engine.docker("buildx", "du", "--verbose").split("\n\n"):
        if MARK in record and "exec.cachemount" not in record:
            yield f"the builder has a record of a throw-away build:\n{record}"
    for row in scene.engine.docker("ps", "--all", "--format", "{{.Names}} {{.Image}} {{.Status}}").splitlines():
        yield f"a container was left: {row}"
    known = {scene.image, IMAGE, "bears:tools"}
    for name in scene.engine.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").splitlines():
        if name not in known and "<none>" not in name:
            yield f"an image was left: {name}"


def _strays(scene: Scene) -> list[str]:
    """Processes that are nobody's, once they had time to end."""
    end = time.monotonic() + _PATIENCE
    while (found := list(_processes(scene))) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def _processes(scene: Scene) -> Iterator[str]:
    """All in this cage, but for the one who waits, us, and the engine."""
    ours = set(faults.family(os.getpid()))
    for file in Path("/proc").glob("[0-9]*"):
        words = faults.words(int(file.name))
        engine = words and Path(words[0]).name in ("dockerd", "containerd")
        if words and int(file.name) not in (1, *ours) and not engine:
            yield " ".join(words)[:200]


def recovered(scene: Scene, usual: set[str], verify: bool) -> Iterator[str]:
    """All of it. The fault is over, the engine is up."""
    yield from told("the next build", scene.goldi("build.prod"))
    yield from image(scene, "after the next build")
    yield from told("the next export", scene.goldi("build.prod", "--keep-cache"))
    yield from local(scene.local)
    if verify:
        # The first repairs, and the second finds nothing that it left.
        yield from told("cache.verify", scene.goldi("cache.verify"))
        again = scene.goldi("cache.verify", "--dry-run", "--json")
        yield from told("cache.verify again", again)
        if again.code == 0 and any(one["bad"] or one["swept"] or one["refused"] for one in json.loads(again.text)):
            yield f"cache.verify found more:\n{again.text}"
    yield from restored(scene)
    yield from leftovers(scene, usual)


def restored(scene: Scene) -> Iterator[str]:
    """That an emptied builder makes the same of the local cache: random content comes from nowhere else."""
    try:
        before = scene.engine.files(IMAGE, ("/random",), scene.base)
        scene.engine.forget(scene.image)
        said = scene.goldi("build.prod", "--progress", "plain")
        yield from told("the build from the local cache", said)
        if "building again without any cache" in said.text:
            # The builder itself lost a layer in the prune (engine 26): a rebuild, and no error.
            return
        if scene.engine.files(IMAGE, ("/random",), scene.base) != before:
            yield f"the local cache did not bring back the image:\n{said.text}"
    except (RuntimeError, OSError) as error:
        yield f"the local cache was not tried: {error}"
