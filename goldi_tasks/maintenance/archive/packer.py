"""Write an archive: a tar compressed with zstd, whose last member is the manifest in a zstd frame of its own.

The last bytes of the file are a trailer with the offset of that frame. So an archive is written as a stream, and a
reader starts with the manifest. The programs zstd and tar can read it, too.
"""

import hashlib
import os
import struct
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import IO, Any

from goldi_tasks.maintenance.archive import archive_manifest
from goldi_tasks.maintenance.archive.archive_manifest import Entry, Manifest

MANIFEST = "goldi-manifest.json"
# A skippable frame of zstd: its magic number and length; then our magic bytes, the offset of the manifest's frame, the
# length of the manifest in bytes, and its sha256.
TRAILER = struct.Struct("<II8sQQ32s")
SKIPPED, OURS = 0x184D2A57, b"goldi\0\0\1"
CHUNK = 1 << 18
_LEVEL = 1
BLOCK = 512
END = bytes(2 * BLOCK)
_TYPES = {"f": b"0", "d": b"5", "l": b"2"}


class ArchiveWriter:
    """A writer of an archive to the file `output`; `bytes` is the number of bytes written so far."""

    def __init__(self, output: IO[bytes]) -> None:
        self.output, self.bytes = output, 0
        parameter = zstd().CompressionParameter
        workers = min(os.cpu_count() or 1, parameter.nb_workers.bounds()[1])
        options = {parameter.compression_level: _LEVEL, parameter.checksum_flag: 1, parameter.nb_workers: workers}
        self.compressor = zstd().ZstdCompressor(options=options)

    def add(self, name: str, entry: Entry, content: Iterable[bytes] = ()) -> Entry:
        """Write the tar member `name` for `entry` with its `content`; return the entry with the sha256 of that.

        Raises ValueError if the content does not have the entry's size.
        """
        self._compress(head(name, entry))
        digest, remaining = hashlib.sha256(), entry.size
        for chunk in content:
            digest.update(chunk)
            self._compress(chunk)
            remaining -= len(chunk)
        if remaining:
            raise ValueError(f"{name} changed size while being saved")
        self._compress(padding(entry.size))
        return replace(entry, sha256=digest.hexdigest()) if entry.kind == "f" else entry

    def end(self, manifest: Manifest) -> None:
        """Write the manifest and the trailer."""
        text = archive_manifest.dump(manifest)
        self._end_frame()
        offset = self.bytes
        self.add(MANIFEST, entry_of(len(text)), (text,))
        self._compress(END)
        self._end_frame()
        digest = hashlib.sha256(text).digest()
        self._write(TRAILER.pack(SKIPPED, TRAILER.size - 8, OURS, offset, len(text), digest))

    def _compress(self, plain: bytes) -> None:
        self._write(self.compressor.compress(plain))

    def _end_frame(self) -> None:
        self._write(self.compressor.flush(self.compressor.FLUSH_FRAME))

    def _write(self, compressed: bytes) -> None:
        self.output.write(compressed)
        self.bytes += len(compressed)


def entry_of(length: int) -> Entry:
    """Return the entry of a manifest of `length` bytes."""
    return Entry("f", MANIFEST, 0o644, 0, length)


def zstd() -> Any:
    """Import and return the module of zstd: from the standard library since Python 3.14, else the backport."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def head(name: str, entry: Entry) -> bytes:
    """Return the tar header of `entry`, whose name in the archive is `name`, with a pax header before it if needed."""
    fields = {"path": name, "linkpath": entry.target, "size": str(entry.size), "mtime": str(entry.mtime)}
    fits = {"path": _fits(name), "linkpath": _fits(entry.target), "size": entry.size < 8**11}
    fits["mtime"] = entry.mtime < 8**11
    records = b"".join(_format_record(key, value) for key, value in fields.items() if not fits[key])
    pax_header = b""
    if records:
        pax_header = _format_block("pax", b"x", 0o644, len(records), 0, "", 0, 0) + records + padding(len(records))
    numbers = (entry.mode, entry.size if fits["size"] else 0, entry.mtime if fits["mtime"] else 0)
    return pax_header + _format_block(name, _TYPES[entry.kind], *numbers, entry.target, entry.uid, entry.gid)


def padding(size: int) -> bytes:
    """Return the null bytes that fill the last block of a content of `size` bytes."""
    return bytes(-size % BLOCK)


def _fits(text: str) -> bool:
    return text.isascii() and len(text) <= 100


def _format_record(key: str, value: str) -> bytes:
    """Return a record of a pax header, which begins with its own length."""
    rest = b" " + key.encode() + b"=" + value.encode() + b"\n"
    length = len(rest) + len(str(len(rest)))
    length = len(rest) + len(str(length))
    return str(length).encode() + rest


def _format_block(name: str, kind: bytes, mode: int, size: int, mtime: int, target: str, uid: int, gid: int) -> bytes:
    fields = (
        name.encode()[:100].ljust(100, b"\0"),
        *(_format_octal(number, 8) for number in (mode & 0o7777, uid & 0o7777777, gid & 0o7777777)),
        *(_format_octal(number, 12) for number in (size, mtime)),
        b" " * 8,
        kind,
        target.encode()[:100].ljust(100, b"\0"),
        b"ustar\x0000",
        bytes(32 + 32 + 8 + 8 + 155 + 12),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _format_octal(number: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, number)
