"""The builder's store, as `docker buildx du` tells of it: all of it, and the cache mounts of build steps in it."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from goldi_tasks import process
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed

_DU = Command(("docker", "buildx", "du", "--verbose"))
_UNITS = {"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15}
_SPANS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2592000, "year": 31536000}
_MOUNT = re.compile(r'cached mount (?P<target>\S+) from .*?(?: with id "(?P<id>[^"]*)")?$', re.DOTALL)


@dataclass(frozen=True)
class Mount:
    """A cache mount: its id, where the last step that made it had it, bytes, and when it was last used.

    `last_use` is in seconds since the epoch, as exact as buildx says it ("3 weeks ago"); 0 for never.
    """

    id: str
    target: str
    bytes: int
    last_use: float
    record: str = ""


@dataclass(frozen=True)
class Record:
    """A record of the store: when it was last used, or made, and whether a prune may take it now."""

    bytes: int
    last_use: float
    free: bool


@dataclass(frozen=True)
class Store:
    """What the builder in use keeps: bytes of all of it, and what a prune could take at most."""

    bytes: int
    reclaimable: int
    records: tuple[Record, ...]
    mounts: tuple[Mount, ...]

    def prunable(self, now: float, age: float, keep: int) -> int:
        """Bytes that a prune by these limits could free, at most; 0 is no limit."""
        old = sum(one.bytes for one in self.records if one.free and age and now - one.last_use > age)
        over = max(0, self.bytes - keep) if keep else 0
        return min(self.reclaimable, max(old, over))


def look() -> Store:
    """The store of the builder in use. Raises NoDocker, NoEngine, NoPermission, CommandFailed."""
    system_info.client()
    try:
        said = process.capture(_DU)
    except CommandFailed:
        # Raises what there is to say where none answers.
        system_info.engine_info()
        raise
    return parse(said, time.time())


def prune(*, age: float = 0, keep: int = 0) -> int:
    """Remove from the store what was not used for `age` seconds, or what was not used longest until `keep` bytes are
    left; returns the bytes that were freed. What images and running builds need stays. Raises CommandFailed.
    """  # noqa: D205 - one sentence
    return _freed(process.capture(command(age=age, keep=keep, flag=_flag() if keep else "")))


def command(*, age: float = 0, keep: int = 0, flag: str = "--keep-storage") -> Command:
    """What does that: with both at once buildx would remove only what is both old and too much."""
    chosen = ("--filter", f"until={max(1, round(age))}s") if age else (flag, str(keep))
    return Command(("docker", "buildx", "prune", "--force", *chosen))


def _flag() -> str:
    """How this buildx says what is to be kept: --reserved-space from 0.18 on.

    The new --max-used-space would be ignored by a builder from before BuildKit 0.17, which would then keep nothing.
    """
    told = process.capture(Command(("docker", "buildx", "prune", "--help")))
    return "--reserved-space" if "--reserved-space" in told else "--keep-storage"


def parse(said: str, now: float) -> Store:
    """What `docker buildx du --verbose` said."""
    blocks = [dict(_fields(block)) for block in said.split("\n\n")]
    records = [block for block in blocks if "ID" in block]
    totals = {key: size(value) for block in blocks if "ID" not in block for key, value in block.items()}
    mounts = [_mount(block, now) for block in records if block.get("Type") == "exec.cachemount"]
    return Store(
        totals.get("Total", sum(size(block.get("Size", "")) for block in records)),
        totals.get("Reclaimable", 0),
        tuple(_record(block, now) for block in records),
        tuple(sorted(mounts, key=lambda mount: (-mount.bytes, mount.id))),
    )


def _fields(block: str) -> Iterator[tuple[str, str]]:
    """The fields of a record; a step's command may go on over several lines."""
    name, value = "", ""
    for line in block.splitlines():
        key, colon, rest = line.partition(":\t")
        if colon and re.fullmatch(r"[A-Z][A-Za-z ]*", key):
            if name:
                yield name, value.strip()
            name, value = key, rest
        else:
            value += f"\n{line}"
    if name:
        yield name, value.strip()


def _record(block: dict[str, str], now: float) -> Record:
    used = since(block.get("Last used", ""), now) or _made(block.get("Created at", ""))
    return Record(size(block.get("Size", "")), used, block.get("Reclaimable") == "true")


def _made(text: str) -> float:
    """When that was: `2026-11-25 15:32:54.5 +0000 UTC`."""
    try:
        return datetime.strptime(text[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def _mount(block: dict[str, str], now: float) -> Mount:
    description = block.get("Description", "")
    found = _MOUNT.match(description)
    target = found["target"] if found else description
    # The frontend gives an id of its own, the target with a slash before, to what has none.
    name = (found["id"] or target) if found else block["ID"]
    return Mount(name, target, size(block.get("Size", "")), since(block.get("Last used", ""), now), block["ID"])


def size(text: str) -> int:
    """Bytes of `12.3MB`; 0 for what is no size."""
    found = re.fullmatch(r"([\d.]+)\s*([a-zA-Z]+)", text.strip())
    try:
        return int(float(found[1]) * _UNITS[found[2]]) if found else 0
    except (ValueError, LookupError):
        return 0


def since(text: str, now: float) -> float:
    """When that was: `9 minutes ago`, `About an hour ago`, `Less than a second ago`; 0 for never."""
    found = re.search(r"(\d+|an?) (second|minute|hour|day|week|month|year)s?(?: ago)?$", text.strip())
    if not found:
        return 0.0
    number = int(found[1]) if found[1].isdigit() else 1
    return now - number * _SPANS[found[2]]


def _freed(said: str) -> int:
    """What `docker buildx prune` said in its last line."""
    return sum(size(line.partition(":")[2]) for line in said.splitlines() if line.startswith("Total:"))
