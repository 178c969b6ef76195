"""Read an archive: first its manifest, then the rest, which must match the manifest byte by byte."""

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from goldi_tasks.errors import CacheRefused
from goldi_tasks.maintenance.archive import archive_manifest, packer
from goldi_tasks.maintenance.archive.archive_manifest import Entry, Manifest, refuse
from goldi_tasks.maintenance.archive.packer import CHUNK, MANIFEST, OURS, SKIPPED, TRAILER, entry_of, zstd

# Limits against archives that are made to fill a disk or memory: bytes of a manifest, compression ratio, and bytes that
# are allowed at any ratio. A manifest has about 150 bytes per entry; caches are compressed to about a third.
_MAX_MANIFEST, _MAX_RATIO, _FREE_BYTES = 1 << 29, 250, 1 << 24


class ArchiveReader:
    """A reader of the archive in the open `file`. Raises CacheRefused if it is no archive, or unpacks to too much."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.size = os.fstat(file.fileno()).st_size
        self.manifest_offset, length, digest = self._read_trailer()
        self.manifest = self._read_manifest(length, digest)
        if self.manifest.bytes > self.size * _MAX_RATIO + _FREE_BYTES:
            refuse("it would unpack to far more than a cache holds")
        file.seek(0)
        self._entries = _FileSection(file, self.manifest_offset)

    def contents(self) -> Iterator[tuple[int, Entry, Iterator[bytes]]]:
        """Yield every entry with the number of its part and its content.

        Raises CacheRefused at the first byte that differs from the manifest.
        """
        with zstd().ZstdFile(self._entries) as plain:
            for number, part in enumerate(self.manifest.parts):
                for entry in part.entries:
                    _expect(plain, packer.head(archive_manifest.member(number, part, entry.path), entry))
                    content = _read_content(plain, entry)
                    yield number, entry, content
                    drained(content)
                    _expect(plain, packer.padding(entry.size))
            if _read(plain, 1):
                refuse("it contains more than its manifest lists")

    def _read_trailer(self) -> tuple[int, int, bytes]:
        """Return the offset of the manifest's frame, and the length and sha256 of the manifest. Raises CacheRefused."""
        self.file.seek(max(0, self.size - TRAILER.size))
        trailer = self.file.read(TRAILER.size)
        if len(trailer) < TRAILER.size:
            refuse("it was not written by cache.save, or is cut off")
        zstd_magic, frame_length, magic, offset, manifest_length, digest = TRAILER.unpack(trailer)
        is_valid = (zstd_magic, frame_length, magic) == (SKIPPED, TRAILER.size - 8, OURS)
        if not is_valid or offset > self.size - TRAILER.size:
            refuse("it was not written by cache.save, or is cut off")
        return offset, manifest_length, digest

    def _read_manifest(self, length: int, digest: bytes) -> Manifest:
        compressed = self.size - TRAILER.size - self.manifest_offset
        if length > min(_MAX_MANIFEST, compressed * _MAX_RATIO + _FREE_BYTES):
            refuse("its manifest is too large")
        self.file.seek(self.manifest_offset)
        with zstd().ZstdFile(_FileSection(self.file, compressed)) as plain:
            _expect(plain, packer.head(MANIFEST, entry_of(length)))
            text = _read_all(plain, length)
        if len(text) != length or hashlib.sha256(text).digest() != digest:
            refuse("its manifest is damaged")
        return archive_manifest.load(text)


def _read_content(plain: IO[bytes], entry: Entry) -> Iterator[bytes]:
    """Yield the content of `entry` in chunks. Raises CacheRefused if it is cut off or does not match the sha256."""
    digest, remaining = hashlib.sha256(), entry.size
    while remaining:
        chunk = _read(plain, min(remaining, CHUNK))
        if not chunk:
            refuse("it is cut off or damaged")
        digest.update(chunk)
        remaining -= len(chunk)
        yield chunk
    if entry.kind == "f" and digest.hexdigest() != entry.sha256:
        refuse("a file in it does not match its digest")


def _expect(plain: IO[bytes], expected: bytes) -> None:
    """Read as many bytes as `expected` has. Raises CacheRefused if they differ."""
    if _read_all(plain, len(expected)) != expected:
        refuse("its content does not match its manifest")


def _read_all(plain: IO[bytes], length: int) -> bytes:
    """Read `length` bytes, fewer at the end of the file. Raises CacheRefused."""
    content = bytearray()
    while len(content) < length and (chunk := _read(plain, length - len(content))):
        content += chunk
    return bytes(content)


def _read(plain: IO[bytes], length: int) -> bytes:
    """Read at most `length` bytes. Raises CacheRefused for an error of zstd."""
    try:
        return plain.read(length)
    except (EOFError, zstd().ZstdError):
        refuse("it is cut off or damaged")


class _FileSection:
    """The next `length` bytes of an open file, as a file that can be read once."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self.file, self.remaining = file, length

    def read(self, size: int = -1) -> bytes:
        chunk = self.file.read(self.remaining if size < 0 else min(size, self.remaining))
        self.remaining -= len(chunk)
        return chunk


def opened(path: Path) -> IO[bytes]:
    """Open the file of an archive. Raises CacheRefused."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        file = os.fdopen(handle, "rb")
    except OSError as error:
        raise CacheRefused(f"{path} cannot be read: {error.strerror}", "Name a file of `inv cache.save`") from error
    if not path.is_file():
        file.close()
        raise CacheRefused(f"{path} is not a file", "Name a file of `inv cache.save`")
    return file


def drained(content: Iterator[bytes]) -> None:
    """Read `content` to its end, where its digest is checked."""
    deque(content, maxlen=0)
