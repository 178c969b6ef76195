"""Read the build cache with `docker buildx du`, the cache mounts of build steps in it, and prune it."""

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
class StoredMount:
    """A cache mount: its id, its target in the step that created it, bytes, last use, and the id of its record.

    `last_use` is in seconds since the epoch, as exact as buildx prints it ("3 weeks ago"); 0 for never.
    """

    id: str
    target: str
    bytes: int
    last_use: float
    record: str = ""


@dataclass(frozen=True)
class Record:
    """A record of the build cache: bytes, last use or else creation, and whether a prune may remove it now."""

    bytes: int
    last_use: float
    free: bool


@dataclass(frozen=True)
class BuildCache:
    """The build cache of the current builder: its bytes, and those that a prune could free at most."""

    bytes: int
    reclaimable: int
    records: tuple[Record, ...]
    mounts: tuple[StoredMount, ...]

    def prunable(self, now: float, age: float, keep: int) -> int:
        """Return the bytes that a prune by these limits could free at most; a limit of 0 is none."""
        old = sum(record.bytes for record in self.records if record.free and age and now - record.last_use > age)
        over = max(0, self.bytes - keep) if keep else 0
        return min(self.reclaimable, max(old, over))


def read_build_cache() -> BuildCache:
    """Read the build cache of the current builder. Raises NoDocker, NoEngine, NoPermission, CommandFailed."""
    system_info.client()
    try:
        output = process.capture(_DU)
    except CommandFailed:
        # This raises a better error if no engine answers.
        system_info.engine_info()
        raise
    return parse(output, time.time())


def prune(*, age: float = 0, keep: int = 0) -> int:
    """Remove records that were not used for `age` seconds, or the least recently used until `keep` bytes are left.

    What images and running builds need stays. Returns the bytes that were freed. Raises CommandFailed.
    """
    return _parse_freed(process.capture(command(age=age, keep=keep, flag=_keep_flag() if keep else "")))


def command(*, age: float = 0, keep: int = 0, flag: str = "--keep-storage") -> Command:
    """Return the command that prunes by one limit; with both, buildx would remove only what exceeds both."""
    limit = ("--filter", f"until={max(1, round(age))}s") if age else (flag, str(keep))
    return Command(("docker", "buildx", "prune", "--force", *limit))


def _keep_flag() -> str:
    """Return the flag of this buildx for the bytes to keep: --reserved-space from 0.18 on. Raises CommandFailed.

    The new --max-used-space would be ignored by a builder from before BuildKit 0.17, which would then keep nothing.
    """
    usage = process.capture(Command(("docker", "buildx", "prune", "--help")))
    return "--reserved-space" if "--reserved-space" in usage else "--keep-storage"


def parse(output: str, now: float) -> BuildCache:
    """Parse the output of `docker buildx du --verbose`."""
    blocks = [dict(_fields(block)) for block in output.split("\n\n")]
    records = [block for block in blocks if "ID" in block]
    totals = {key: size(value) for block in blocks if "ID" not in block for key, value in block.items()}
    mounts = [_mount(block, now) for block in records if block.get("Type") == "exec.cachemount"]
    return BuildCache(
        totals.get("Total", sum(size(block.get("Size", "")) for block in records)),
        totals.get("Reclaimable", 0),
        tuple(_record(block, now) for block in records),
        tuple(sorted(mounts, key=lambda mount: (-mount.bytes, mount.id))),
    )


def _fields(block: str) -> Iterator[tuple[str, str]]:
    """Yield the fields of a record; the command of a step may continue on further lines."""
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
    used = since(block.get("Last used", ""), now) or _parse_time(block.get("Created at", ""))
    return Record(size(block.get("Size", "")), used, block.get("Reclaimable") == "true")


def _parse_time(text: str) -> float:
    """Parse `2026-11-25 15:32:54.5 +0000 UTC` into seconds since the epoch; 0 for other text."""
    try:
        return datetime.strptime(text[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def _mount(block: dict[str, str], now: float) -> StoredMount:
    description = block.get("Description", "")
    match = _MOUNT.match(description)
    target = match["target"] if match else description
    # The Dockerfile frontend sets the id to the target with a leading slash if the mount names none.
    mount_id = (match["id"] or target) if match else block["ID"]
    return StoredMount(
        mount_id, target, size(block.get("Size", "")), since(block.get("Last used", ""), now), block["ID"]
    )


def size(text: str) -> int:
    """Parse `12.3MB` into bytes; 0 for text that is no size."""
    match = re.fullmatch(r"([\d.]+)\s*([a-zA-Z]+)", text.strip())
    try:
        return int(float(match[1]) * _UNITS[match[2]]) if match else 0
    except (ValueError, LookupError):
        return 0


def since(text: str, now: float) -> float:
    """Parse `9 minutes ago` or `Less than a second ago` into seconds since the epoch; 0 for never."""
    match = re.search(r"(\d+|an?) (second|minute|hour|day|week|month|year)s?(?: ago)?$", text.strip())
    if not match:
        return 0.0
    number = int(match[1]) if match[1].isdigit() else 1
    return now - number * _SPANS[match[2]]


def _parse_freed(output: str) -> int:
    """Parse the freed bytes from the last line of `docker buildx prune`."""
    return sum(size(line.partition(":")[2]) for line in output.splitlines() if line.startswith("Total:"))
