"""Write the entries of a cache into its staging directory, relative to open directories; no link is followed."""

import os
from collections.abc import Iterator

from goldi_tasks import ownership
from goldi_tasks.cache.safe_delete import DIRECTORY
from goldi_tasks.maintenance.archive.archive_manifest import Entry

_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
# The modes that an archive may ask for, and those that are always set: only the owner may write, and always.
_FOLDER_MODE, _FILE_MODE = (0o755, 0o700), (0o755, 0o600)


class Tree:
    """A writer of entries below the open directory `top`; they must come in the order of a manifest."""

    def __init__(self, top: int) -> None:
        self.levels: list[tuple[str, int]] = [("", top)]
        self.owner = ownership.owner() if ownership.owner() != (os.getuid(), os.getgid()) else None

    def add(self, entry: Entry, content: Iterator[bytes]) -> None:
        """Write an entry with its content. Raises OSError."""
        *folders, name = entry.path.split("/")
        parent = self._enter(folders)
        if entry.kind == "d":
            os.mkdir(name, _limit_mode(entry, *_FOLDER_MODE), dir_fd=parent)
        elif entry.kind == "l":
            os.symlink(entry.target, name, dir_fd=parent)
        else:
            self._write_file(entry, name, parent, content)
        if self.owner:
            os.chown(name, *self.owner, dir_fd=parent, follow_symlinks=False)

    def close(self) -> None:
        """Close the open directories."""
        while self.levels:
            os.close(self.levels.pop()[1])

    def _write_file(self, entry: Entry, name: str, parent: int, content: Iterator[bytes]) -> None:
        handle = os.open(name, _FILE, _limit_mode(entry, *_FILE_MODE), dir_fd=parent)
        with os.fdopen(handle, "wb") as file:
            for chunk in content:
                file.write(chunk)
            file.flush()
            os.utime(file.fileno(), (entry.mtime, entry.mtime))

    def _enter(self, folders: list[str]) -> int:
        """Open the directory with the path `folders` below the top, and return its file descriptor. Raises OSError.

        Directories on the way stay open in `levels` for the next entry.
        """
        common = 0
        for (name, _), folder in zip(self.levels[1:], folders, strict=False):
            if name != folder:
                break
            common += 1
        while len(self.levels) > common + 1:
            os.close(self.levels.pop()[1])
        for folder in folders[common:]:
            self.levels.append((folder, os.open(folder, DIRECTORY, dir_fd=self.levels[-1][1])))
        return self.levels[-1][1]


def _limit_mode(entry: Entry, allowed: int, required: int) -> int:
    return entry.mode & allowed | required
