"""Write, read and validate the manifest of an archive, which lists every entry; nothing else is read before it."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from goldi_tasks.errors import CacheRefused
from goldi_tasks.maintenance.archive import link_rules

FORMAT = 1
# Limits far above what any cache needs: number of entries, path components, bytes of a name and of a path, bytes of a
# file, and user and group ids (what a tar header holds). An archive that exceeds one is malicious and is refused.
ENTRIES = 2_000_000
DEPTH = 100
NAME, PATH = 255, 4000
SIZE, OWNER = 1 << 44, (1 << 21) - 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WORD = re.compile(r"[\w.-]+", re.ASCII)
_ID = re.compile(r"[\w./@:+-]{1,1000}", re.ASCII)

Kind = Literal["d", "f", "l"]
PartKind = Literal["dir", "mount"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A directory (d), file (f) or symbolic link (l) in a cache; `path` is relative to the cache.

    `size` is in bytes, `mtime` in seconds since the epoch. `uid` and `gid` are only set for entries of cache mounts.
    """

    kind: Kind
    path: str
    mode: int
    mtime: int
    size: int = 0
    sha256: str = ""
    target: str = ""
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class ArchivePart:
    """A cache in an archive: a `dir` with its name in paths.py, or a cache `mount` of the builder with its id."""

    kind: PartKind
    name: str
    entries: Sequence[Entry]

    @property
    def bytes(self) -> int:
        """Return the total size of its files in bytes."""
        return sum(entry.size for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of an archive in its order; `key` is that of the saved project, `platform` that of its engine."""

    key: str
    platform: str
    parts: Sequence[ArchivePart]

    @property
    def bytes(self) -> int:
        """Return the total size of all files in bytes."""
        return sum(part.bytes for part in self.parts)


def member(number: int, part: ArchivePart, path: str) -> str:
    """Return the name of a tar member: that of `path` in the cache `part`, which is the `number`-th of the archive."""
    return f"caches/{part.name}/{path}" if part.kind == "dir" else f"mounts/{number}/{path}"


def dump(manifest: Manifest) -> bytes:
    """Return the manifest as JSON."""
    document = {
        "format": FORMAT,
        "key": manifest.key,
        "platform": manifest.platform,
        "parts": [
            {"kind": part.kind, "name": part.name, "entries": [_to_row(entry) for entry in part.entries]}
            for part in manifest.parts
        ],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def load(text: bytes) -> Manifest:
    """Parse and validate the JSON of a manifest. Raises CacheRefused if it is malformed or exceeds a limit."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        refuse("its manifest cannot be read")
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        refuse("its format is not supported by this version")
    key, platform, parts = document.get("key"), document.get("platform"), document.get("parts")
    if not _matches(key, _WORD) or not _matches(platform, _ID) or not isinstance(parts, list):
        refuse("its manifest cannot be read")
    if sum(len(part["entries"]) for part in parts if _has_entries(part)) > ENTRIES:
        refuse(f"it has more than {ENTRIES} entries")
    caches = [_parse_part(part) for part in parts]
    if len({(cache.kind, cache.name) for cache in caches}) < len(caches):
        refuse("it contains a cache twice")
    return Manifest(str(key), str(platform), caches)


def refuse(reason: str) -> NoReturn:
    """Raise CacheRefused for an archive."""
    raise CacheRefused(f"the archive is refused: {reason}", "Save it again, and use only archives that you trust")


def _to_row(entry: Entry) -> list[Any]:
    """Return an entry as a list for JSON; the last fields depend on its kind."""
    kind_fields = {"d": list[Any](), "f": [entry.size, entry.sha256], "l": [entry.target]}[entry.kind]
    return [entry.kind, entry.path, entry.mode, entry.mtime, entry.uid, entry.gid, *kind_fields]


def _has_entries(part: object) -> bool:
    return isinstance(part, dict) and isinstance(part.get("entries"), list)


def _parse_part(part: Any) -> ArchivePart:
    """Validate a cache from the JSON of a manifest. Raises CacheRefused."""
    if not _has_entries(part):
        refuse("its manifest cannot be read")
    kind, name = part.get("kind"), part.get("name")
    if kind not in ("dir", "mount") or not _matches(name, _ID) or (kind == "dir" and "/" in name):
        refuse("it contains a cache without a valid name")
    entries = [_parse_row(row) for row in part["entries"]]
    _check_paths(entries)
    return ArchivePart(kind, name, entries)


def _parse_row(row: Any) -> Entry:
    """Validate an entry from the JSON of a manifest. Raises CacheRefused."""
    if not isinstance(row, list) or len(row) < 6 or row[0] not in ("d", "f", "l"):
        refuse("it contains something that is not a file, directory or link")
    kind, path, mode, mtime, uid, gid, *kind_fields = row
    types = {"d": (), "f": (int, str), "l": (str,)}[kind]
    if tuple(map(type, kind_fields)) != types or type(path) is not str or not path_is_sound(path):
        refuse("it contains an entry with an invalid name or kind")
    if not all(type(number) is int and 0 <= number <= OWNER for number in (mode, uid, gid)):
        refuse("it contains an entry with an invalid mode or owner")
    if type(mtime) is not int or not 0 <= mtime < 1 << 33:
        refuse("it contains an entry with an invalid mtime")
    if kind == "f":
        size, digest = kind_fields
        if not 0 <= size <= SIZE or not _SHA256.fullmatch(digest):
            refuse("it contains a file with an invalid size or digest")
        return Entry(kind, path, mode, mtime, size, digest, uid=uid, gid=gid)
    target = kind_fields[0] if kind == "l" else ""
    if kind == "l" and not (is_text(target) and len(target) <= PATH and link_rules.stays_inside(path, target)):
        refuse("it contains a link that leads out of its cache")
    return Entry(kind, path, mode, mtime, target=target, uid=uid, gid=gid)


def _check_paths(entries: Sequence[Entry]) -> None:
    """Raise CacheRefused unless each path occurs once, and after the directory that contains it."""
    kinds: dict[str, str] = {"": "d"}
    for entry in entries:
        if entry.path in kinds:
            refuse("it contains an entry twice")
        if kinds.get(entry.path.rpartition("/")[0]) != "d":
            refuse("it contains an entry whose directory is not listed before it")
        kinds[entry.path] = entry.kind


def path_is_sound(path: str) -> bool:
    """Return whether `path` is relative, valid UTF-8, within the limits, and without empty, `.` and `..` components."""
    components = path.split("/")
    return (
        is_text(path)
        and len(path.encode()) <= PATH
        and len(components) <= DEPTH
        and all(component not in ("", ".", "..") and len(component.encode()) <= NAME for component in components)
    )


def is_text(text: str) -> bool:
    """Return whether `text` can be encoded as UTF-8 and contains no null character, as a file name must."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _matches(text: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(text, str) and bool(pattern.fullmatch(text))


def join_names(parts: Iterable[ArchivePart]) -> str:
    """Return the names of caches, joined with commas."""
    return ", ".join(part.name if part.kind == "dir" else f"the mount {part.name}" for part in parts)
