"""Find out whether a save would overwrite a file that is not an archive of the same project."""

import os
from pathlib import Path
from typing import IO

from goldi_tasks.errors import CacheRefused
from goldi_tasks.maintenance.archive import unpacker
from goldi_tasks.maintenance.archive.packer import MANIFEST, zstd
from goldi_tasks.maintenance.archive.save_archive import STDOUT

# How the name of the first tar member begins in an archive of `cache.save`.
_FIRST = (b"caches/", b"mounts/", b"pax\0", MANIFEST.encode())


def find_loss(file: str, key: str) -> str:
    """Return what a save of the project `key` to `file` would destroy, as a clause.

    "" where nothing is lost: an archive of the same project, also a damaged one, may be replaced. Raises CacheRefused
    for a device, a pipe and a broken link.
    """
    path = Path(file)
    if file == STDOUT or not os.path.lexists(path) or path.is_dir():
        return ""
    if not path.is_file():
        raise CacheRefused(f"{path} is not a regular file", "Name a file, or - for standard output")
    with unpacker.opened(path) as archive:
        if not path.stat().st_size:
            return ""
        try:
            saved_by = unpacker.ArchiveReader(archive).manifest.key
        except CacheRefused:
            return "" if _is_ours(archive) else f"{path} is a file that was not written by cache.save"
    # The part of a key after the last "-" is a hash of the project's path, which differs between runs of a CI.
    is_same_project = saved_by.rpartition("-")[0] == key.rpartition("-")[0]
    return "" if is_same_project else f"{path} has the caches of another project, {saved_by}"


def _is_ours(archive: IO[bytes]) -> bool:
    """Return whether a damaged archive begins like one of `cache.save`."""
    archive.seek(0)
    try:
        with zstd().ZstdFile(archive) as plain:
            return bool(plain.read(512).startswith(_FIRST))
    except (OSError, EOFError, zstd().ZstdError):
        return False
