"""The file of an archive: a tar in zstd, the manifest its last member, in a frame of its own that the last bytes find.

So an archive is written in one go, and read beginning with what it has to hold. Any zstd and tar read it, too.
"""

import hashlib
import os
import struct
import sys
from collections.abc import Iterable
from typing import IO, Any

from goldi_tasks.maintenance.archive import archive_manifest, tar_headers
from goldi_tasks.maintenance.archive.archive_manifest import Entry, Manifest

MANIFEST = "goldi-manifest.json"
# A skippable frame of zstd: its magic, its length; then ours, where the manifest's frame begins, how long it is
# unpacked, and its digest.
TRAILER = struct.Struct("<II8sQQ32s")
SKIPPED, OURS = 0x184D2A57, b"goldi\0\0\1"
CHUNK = 1 << 18
_LEVEL = 1


class Pack:
    """Writes an archive to `out`; `bytes` is how much of it there is."""

    def __init__(self, out: IO[bytes]) -> None:
        self.out, self.bytes = out, 0
        parameter = zstd().CompressionParameter
        workers = min(os.cpu_count() or 1, parameter.nb_workers.bounds()[1])
        options = {parameter.compression_level: _LEVEL, parameter.checksum_flag: 1, parameter.nb_workers: workers}
        self.packer = zstd().ZstdCompressor(options=options)

    def add(self, name: str, entry: Entry, content: Iterable[bytes] = ()) -> Entry:
        """Write `entry` as `name` with its `content`; returns it with the digest. Raises ValueError if that is cut."""
        self._write(tar_headers.head(name, entry))
        digest, left = hashlib.sha256(), entry.size
        for data in content:
            digest.update(data)
            self._write(data)
            left -= len(data)
        if left:
            raise ValueError(f"{name} changed size while it was saved")
        self._write(tar_headers.padding(entry.size))
        known = (entry.kind, entry.path, entry.mode, entry.mtime, entry.size)
        return Entry(*known, digest.hexdigest(), uid=entry.uid, gid=entry.gid) if entry.kind == "f" else entry

    def end(self, manifest: Manifest) -> None:
        """Write the manifest, and where it is."""
        text = archive_manifest.dump(manifest)
        self._put(self.packer.flush(self.packer.FLUSH_FRAME))
        place = self.bytes
        self.add(MANIFEST, entry_of(len(text)), (text,))
        self._write(tar_headers.END)
        self._put(self.packer.flush(self.packer.FLUSH_FRAME))
        digest = hashlib.sha256(text).digest()
        self._put(TRAILER.pack(SKIPPED, TRAILER.size - 8, OURS, place, len(text), digest))

    def _write(self, data: bytes) -> None:
        self._put(self.packer.compress(data))

    def _put(self, data: bytes) -> None:
        self.out.write(data)
        self.bytes += len(data)


def entry_of(length: int) -> Entry:
    """The manifest as an entry, of so many bytes."""
    return Entry("f", MANIFEST, 0o644, 0, length)


def zstd() -> Any:
    """Imported where it is used: it is part of Python from 3.14 on, a library before."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
