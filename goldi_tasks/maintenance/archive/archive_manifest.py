"""What an archive says of itself: its manifest, and how that is checked before anything else of it is believed."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from goldi_tasks.errors import CacheRefused
from goldi_tasks.maintenance.archive import link_rules

FORMAT = 1
# Limits that no cache comes near, and that an archive made to do harm has to keep.
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
    """A directory, file or link in a cache: `path` is relative to it, `uid` and `gid` are kept of cache mounts only."""

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
class Part:
    """A cache: a `dir`, by its name in paths.py, or a `mount` of the builder, by its id; and what is in it."""

    kind: PartKind
    name: str
    entries: Sequence[Entry]

    @property
    def bytes(self) -> int:
        """What its files hold."""
        return sum(entry.size for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is in an archive, in its order; `key` is the project that it was saved from, `platform` its engine's."""

    key: str
    platform: str
    parts: Sequence[Part]

    @property
    def bytes(self) -> int:
        """What all files hold."""
        return sum(part.bytes for part in self.parts)


def member(number: int, part: Part, path: str) -> str:
    """The name in the archive of what is at `path` of a cache, the `number`-th of it."""
    return f"caches/{part.name}/{path}" if part.kind == "dir" else f"mounts/{number}/{path}"


def dump(manifest: Manifest) -> bytes:
    """The manifest as it is written."""
    said = {
        "format": FORMAT,
        "key": manifest.key,
        "platform": manifest.platform,
        "parts": [
            {"kind": part.kind, "name": part.name, "entries": [_row(entry) for entry in part.entries]}
            for part in manifest.parts
        ],
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def load(text: bytes) -> Manifest:
    """The manifest of an archive. Raises CacheRefused for one that promises what no cache needs."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        refuse("its manifest cannot be read")
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        refuse("it has a format that is not known here")
    key, platform, parts = said.get("key"), said.get("platform"), said.get("parts")
    if not _text(key, _WORD) or not _text(platform, _ID) or not isinstance(parts, list):
        refuse("its manifest cannot be read")
    if sum(len(part["entries"]) for part in parts if _is_part(part)) > ENTRIES:
        refuse(f"it has more than {ENTRIES} entries")
    found = [_part(part) for part in parts]
    if len({(part.kind, part.name) for part in found}) < len(found):
        refuse("it has a cache twice")
    return Manifest(str(key), str(platform), found)


def refuse(why: str) -> NoReturn:
    """Raises CacheRefused for an archive."""
    raise CacheRefused(f"the archive is refused: {why}", "Save it again, and take it only from where you trust")


def _row(entry: Entry) -> list[Any]:
    own = {"d": list[Any](), "f": [entry.size, entry.sha256], "l": [entry.target]}[entry.kind]
    return [entry.kind, entry.path, entry.mode, entry.mtime, entry.uid, entry.gid, *own]


def _is_part(said: object) -> bool:
    return isinstance(said, dict) and isinstance(said.get("entries"), list)


def _part(said: Any) -> Part:
    if not _is_part(said):
        refuse("its manifest cannot be read")
    kind, name = said.get("kind"), said.get("name")
    if kind not in ("dir", "mount") or not _text(name, _ID) or (kind == "dir" and "/" in name):
        refuse("it has a cache without a name")
    return Part(kind, name, _checked([_entry(row) for row in said["entries"]]))


def _entry(row: Any) -> Entry:
    if not isinstance(row, list) or len(row) < 6 or row[0] not in ("d", "f", "l"):
        refuse("it has something that is no file, directory or link")
    kind, path, mode, mtime, uid, gid, *own = row
    shape = {"d": (), "f": (int, str), "l": (str,)}[kind]
    if tuple(map(type, own)) != shape or type(path) is not str or not path_is_sound(path):
        refuse("it has an entry with a name or kind that no cache has")
    if not all(type(number) is int and 0 <= number <= OWNER for number in (mode, uid, gid)):
        refuse("it has an entry with a mode or an owner that cannot be")
    if type(mtime) is not int or not 0 <= mtime < 1 << 33:
        refuse("it has an entry with a time that cannot be")
    if kind == "f":
        size, digest = own
        if not 0 <= size <= SIZE or not _SHA256.fullmatch(digest):
            refuse("it has a file with a size or a digest that cannot be")
        return Entry(kind, path, mode, mtime, size, digest, uid=uid, gid=gid)
    target = own[0] if kind == "l" else ""
    if kind == "l" and not (is_text(target) and len(target) <= PATH and link_rules.inside(path, target)):
        refuse("it has a link that leads out of its cache")
    return Entry(kind, path, mode, mtime, target=target, uid=uid, gid=gid)


def _checked(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Each path once, and after the directory that it is in. Raises CacheRefused."""
    seen: dict[str, str] = {"": "d"}
    for entry in entries:
        if entry.path in seen:
            refuse("it has an entry twice")
        if seen.get(entry.path.rpartition("/")[0]) != "d":
            refuse("it has an entry in what is no directory of it")
        seen[entry.path] = entry.kind
    return entries


def path_is_sound(path: str) -> bool:
    """Whether `path` is relative, short, plain text and leads nowhere but down."""
    parts = path.split("/")
    return (
        is_text(path)
        and len(path.encode()) <= PATH
        and len(parts) <= DEPTH
        and all(part not in ("", ".", "..") and len(part.encode()) <= NAME for part in parts)
    )


def is_text(text: str) -> bool:
    """Whether `text` can be written as UTF-8, and as a name."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _text(said: object, shape: re.Pattern[str]) -> bool:
    return isinstance(said, str) and bool(shape.fullmatch(said))


def together(parts: Iterable[Part]) -> str:
    """The names of caches for a sentence."""
    return ", ".join(part.name if part.kind == "dir" else f"the mount {part.name}" for part in parts)
