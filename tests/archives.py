"""Archives that are made to be refused: valid ones that were damaged, and whole ones of somebody who means harm."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from goldi_tasks.maintenance.archive import archive_manifest, packer
from goldi_tasks.maintenance.archive.archive_manifest import Entry
from goldi_tasks.maintenance.archive.packer import CHUNK, MANIFEST, OURS, SKIPPED, TRAILER, entry_of, zstd

KEY, PLATFORM = "bears-0123abcd", "linux/amd64"
_PLAIN = st.sampled_from(["a", "b", "c"])
_ODD = st.sampled_from(
    ["A", "ü", "x" * 255, "x" * 256, "..", ".", "", "CACHEDIR.TAG", ".goldi-restore-x", "a\0", "\ud800", "a\\b"]
)
PATHS = st.one_of(
    _PLAIN,
    st.lists(_PLAIN, min_size=1, max_size=3).map("/".join),
    st.lists(_ODD, min_size=1, max_size=4).map("/".join),
    st.sampled_from(["/etc/passwd", "../outside/kept", "a/../../outside/kept", "a", "a/b", "d/" * 120 + "f"]),
)
TARGETS = st.one_of(st.sampled_from(["/etc", "..", "../..", "a", "../../outside", "b/../..", "", "\0"]), PATHS)
_KINDS = st.sampled_from(["c", "p", "h", []])
NUMBERS = st.one_of(st.integers(0, 0o7777), st.sampled_from([-1, 1 << 40, True, None, "1", 1.5, 0o4755, 0o1777]))
_ANYTHING = st.one_of(NUMBERS, TARGETS, _KINDS)
KNOWN = ("ruff-cache", "uv-cache", ".buildx-cache-production", ".buildx-cache-builder")
CACHES = st.sampled_from([*KNOWN * 3, "no-cache", "../x"])


def entry(path: str, content: bytes = b"", mode: int = 0o644) -> tuple[list[Any], bytes]:
    """A file as a row of a manifest, and its content."""
    return ["f", path, mode, 1, 0, 0, len(content), hashlib.sha256(content).hexdigest()], content


def folder(path: str) -> tuple[list[Any], bytes]:
    """A directory as a row."""
    return ["d", path, 0o755, 1, 0, 0], b""


def link(path: str, target: str) -> tuple[list[Any], bytes]:
    """A link as a row."""
    return ["l", path, 0o777, 1, 0, 0, target], b""


def make(*parts: tuple[str, list[tuple[list[Any], bytes]]], edit: Callable[[Any], None] | None = None) -> bytes:
    """A whole archive with these caches and whatever their rows say, all else right where it can be."""
    said = {"format": archive_manifest.FORMAT, "key": KEY, "platform": PLATFORM, "parts": []}
    rows = [{"kind": "dir", "name": name, "entries": [row for row, _ in entries]} for name, entries in parts]
    said["parts"] = rows
    if edit:
        edit(said)
    text = json.dumps(said).encode()
    payload = b"".join(
        _member(f"caches/{name}/{row[1]}", row, content) for name, entries in parts for row, content in entries
    )
    first, archive = zstd().compress(payload), io.BytesIO()
    archive.write(first)
    archive.write(zstd().compress(packer.head(MANIFEST, entry_of(len(text))) + text + packer.END))
    archive.write(TRAILER.pack(SKIPPED, TRAILER.size - 8, OURS, len(first), len(text), hashlib.sha256(text).digest()))
    return archive.getvalue()


def _member(name: str, row: list[Any], content: bytes) -> bytes:
    try:
        size, target = (row[6], "") if row[0] == "f" else (0, row[6]) if row[0] == "l" else (0, "")
        found = Entry(row[0], row[1], row[2], row[3], size, target=target, uid=row[4], gid=row[5])
        head = packer.head(name, found)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        head = bytes(packer.BLOCK)  # no header says that
    return head + content + packer.padding(len(content))


def good() -> bytes:
    """An archive of two caches that is what it says."""
    big = bytes(range(256)) * (CHUNK // 128)
    ruff = [folder("0.1"), entry("0.1/a", b"one"), entry("0.1/big", big), link("0.1/l", "a"), entry("empty")]
    uv = [folder("w"), folder("w/x"), link("w/x/l", "../../f"), entry("f", b"two", 0o4755)]
    return make(("ruff-cache", ruff), ("uv-cache", uv))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good one that was cut, flipped, or written into."""
    data = bytearray(good())
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.one_of(st.integers(0, len(data)), st.integers(max(0, len(data) - 80), len(data))))
        how = draw(st.sampled_from(["cut", "flip", "insert", "remove"]))
        if how == "cut":
            del data[place:]
        elif how == "flip" and place < len(data):
            data[place] ^= draw(st.integers(1, 255))
        elif how == "insert":
            data[place:place] = draw(st.binary(min_size=1, max_size=20))
        else:
            del data[place : place + draw(st.integers(1, 20))]
    return bytes(data)


@st.composite
def forged(draw: st.DrawFn) -> bytes:
    """One that is whole, by somebody who knows the form and means harm."""
    parts = []
    for _ in range(draw(st.integers(1, 2))):
        rows = [draw(_rows()) for _ in range(draw(st.integers(0, 5)))]
        if draw(st.booleans()):
            rows = [folder("a"), *rows]
        parts.append((draw(CACHES), rows))
    return make(*parts, edit=draw(st.sampled_from(_EDITS)))


@st.composite
def _rows(draw: st.DrawFn) -> tuple[list[Any], bytes]:
    path, content = draw(PATHS), draw(st.binary(max_size=600))
    row, content = draw(st.sampled_from([entry(path, content), folder(path), link(path, draw(TARGETS))]))
    if draw(st.integers(0, 9)) == 0:
        row[draw(st.integers(0, len(row) - 1))] = draw(_ANYTHING)
    return row, content


def _set(name: str, value: Any) -> Callable[[Any], None]:
    return lambda said: said.update({name: value})


def _bomb(said: Any) -> None:
    for part in said["parts"]:
        for row in part["entries"]:
            if row[0] == "f":
                row[6] = 1 << 43


_EDITS: list[Callable[[Any], None] | None] = [
    *(None,) * 30,
    _bomb,
    _set("format", 2),
    _set("key", "../x"),
    _set("platform", "linux/arm64"),
    _set("parts", None),
    _set("parts", [{}]),
    _set("parts", [{"kind": "mount", "name": "x,y", "entries": []}]),
    _set("parts", [{"kind": "dir", "name": "ruff-cache", "entries": [[[]]]}]),
    lambda said: said["parts"].append(said["parts"][0]),
    lambda said: said["parts"].reverse(),
]


def snapshot(root: Path) -> dict[str, Any]:
    """Everything under `root`: kind, mode and content."""
    found: dict[str, Any] = {}
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        what = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(root))] = (mode, what)
    return found
