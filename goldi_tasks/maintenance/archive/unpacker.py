"""Reading an archive: its manifest first, then what that says comes, to the byte. Nothing that was made up gets far."""

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from goldi_tasks.errors import CacheRefused
from goldi_tasks.maintenance.archive import archive_manifest, tar_headers
from goldi_tasks.maintenance.archive.archive_manifest import Entry, Manifest, refuse
from goldi_tasks.maintenance.archive.packer import CHUNK, MANIFEST, OURS, SKIPPED, TRAILER, entry_of, zstd

# A manifest is 150 bytes an entry; caches shrink to a third. What promises to become more than this is made to do harm.
_MANIFEST, _RATIO, _FREE = 1 << 29, 250, 1 << 24


class Unpack:
    """An archive in `file`, which is open. Raises CacheRefused for one that is none or promises too much."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.size = os.fstat(file.fileno()).st_size
        self.place, length, digest = self._trailer()
        self.manifest = self._manifest(length, digest)
        if self.manifest.bytes > self.size * _RATIO + _FREE:
            refuse("it would unpack to far more than a cache does")
        file.seek(0)
        self._source = _Piece(file, self.place)

    def contents(self) -> Iterator[tuple[int, Entry, Iterator[bytes]]]:
        """Every entry with the number of its part and its content.

        Raises CacheRefused as soon as something else comes than the manifest says.
        """
        with zstd().ZstdFile(self._source) as plain:
            for number, part in enumerate(self.manifest.parts):
                for entry in part.entries:
                    _expect(plain, tar_headers.head(archive_manifest.member(number, part, entry.path), entry))
                    content = _content(plain, entry)
                    yield number, entry, content
                    drained(content)
                    _expect(plain, tar_headers.padding(entry.size))
            if _read(plain, 1):
                refuse("it holds more than its manifest says")

    def _trailer(self) -> tuple[int, int, bytes]:
        self.file.seek(max(0, self.size - TRAILER.size))
        last = self.file.read(TRAILER.size)
        if len(last) < TRAILER.size:
            refuse("it was not written by cache.save, or is cut off")
        magic, length, ours, place, unpacked, digest = TRAILER.unpack(last)
        if (magic, length, ours) != (SKIPPED, TRAILER.size - 8, OURS) or place > self.size - TRAILER.size:
            refuse("it was not written by cache.save, or is cut off")
        return place, unpacked, digest

    def _manifest(self, length: int, digest: bytes) -> Manifest:
        packed = self.size - TRAILER.size - self.place
        if length > min(_MANIFEST, packed * _RATIO + _FREE):
            refuse("its manifest is too large")
        self.file.seek(self.place)
        with zstd().ZstdFile(_Piece(self.file, packed)) as plain:
            _expect(plain, tar_headers.head(MANIFEST, entry_of(length)))
            text = _read_all(plain, length)
        if len(text) != length or hashlib.sha256(text).digest() != digest:
            refuse("its manifest is damaged")
        return archive_manifest.load(text)


def _content(plain: IO[bytes], entry: Entry) -> Iterator[bytes]:
    digest, left = hashlib.sha256(), entry.size
    while left:
        data = _read(plain, min(left, CHUNK))
        if not data:
            refuse("it is cut or damaged")
        digest.update(data)
        left -= len(data)
        yield data
    if entry.kind == "f" and digest.hexdigest() != entry.sha256:
        refuse("a file in it is not what its digest says")


def _expect(plain: IO[bytes], wanted: bytes) -> None:
    if _read_all(plain, len(wanted)) != wanted:
        refuse("it holds something else than its manifest says")


def _read_all(plain: IO[bytes], length: int) -> bytes:
    found = bytearray()
    while len(found) < length and (data := _read(plain, length - len(found))):
        found += data
    return bytes(found)


def _read(plain: IO[bytes], length: int) -> bytes:
    """Wherever it is called from, what zstd finds wrong is told as what it means."""
    try:
        return plain.read(length)
    except (EOFError, zstd().ZstdError):
        refuse("it is cut or damaged")


class _Piece:
    """So many bytes of a file from where it stands, as a file that is read once."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self.file, self.left = file, length

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(data)
        return data


def opened(path: Path) -> IO[bytes]:
    """The file of an archive, open. Raises CacheRefused."""
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
    """Read `content` to its end, where its digest is compared."""
    deque(content, maxlen=0)
