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

from goldi_tasks.maintenance.archive import archive_manifest, tar_headers
from goldi_tasks.maintenance.archive.archive_manifest import Entry, Manifest

MANIFEST = "goldi-manifest.json"
# A skippable frame of zstd: its magic number and length; then our magic bytes, the offset of the manifest's frame, the
# length of the manifest in bytes, and its sha256.
TRAILER = struct.Struct("<II8sQQ32s")
SKIPPED, OURS = 0x184D2A57, b"goldi\0\0\1"
CHUNK = 1 << 18
_LEVEL = 1


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
        self._compress(tar_headers.head(name, entry))
        digest, remaining = hashlib.sha256(), entry.size
        for chunk in content:
            digest.update(chunk)
            self._compress(chunk)
            remaining -= len(chunk)
        if remaining:
            raise ValueError(f"{name} changed size while being saved")
        self._compress(tar_headers.padding(entry.size))
        return replace(entry, sha256=digest.hexdigest()) if entry.kind == "f" else entry

    def end(self, manifest: Manifest) -> None:
        """Write the manifest and the trailer."""
        text = archive_manifest.dump(manifest)
        self._end_frame()
        offset = self.bytes
        self.add(MANIFEST, entry_of(len(text)), (text,))
        self._compress(tar_headers.END)
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
