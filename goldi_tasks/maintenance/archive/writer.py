"""Writing a cache into its staging directory: below open directories, each made by us, so that no link is followed."""

import os
from collections.abc import Iterator

from goldi_tasks import ownership
from goldi_tasks.cache.safe_delete import DIRECTORY
from goldi_tasks.maintenance.archive.archive_manifest import Entry

_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
# Nobody but the owner may write, who may always.
_FOLDER_MODE, _FILE_MODE = (0o755, 0o700), (0o755, 0o600)


class Tree:
    """Fills the open directory `top`; entries come in the order of a manifest."""

    def __init__(self, top: int) -> None:
        self.levels: list[tuple[str, int]] = [("", top)]
        self.owner = ownership.owner() if ownership.owner() != (os.getuid(), os.getgid()) else None

    def add(self, entry: Entry, content: Iterator[bytes]) -> None:
        """Write an entry with its content. Raises OSError."""
        *folders, name = entry.path.split("/")
        here = self._enter(folders)
        if entry.kind == "d":
            os.mkdir(name, _mode(entry, *_FOLDER_MODE), dir_fd=here)
        elif entry.kind == "l":
            os.symlink(entry.target, name, dir_fd=here)
        else:
            self._file(entry, name, here, content)
        if self.owner:
            os.chown(name, *self.owner, dir_fd=here, follow_symlinks=False)

    def close(self) -> None:
        """Let go of the directories."""
        while self.levels:
            os.close(self.levels.pop()[1])

    def _file(self, entry: Entry, name: str, here: int, content: Iterator[bytes]) -> None:
        handle = os.open(name, _FILE, _mode(entry, *_FILE_MODE), dir_fd=here)
        with os.fdopen(handle, "wb") as file:
            for data in content:
                file.write(data)
            file.flush()
            os.utime(file.fileno(), (entry.mtime, entry.mtime))

    def _enter(self, folders: list[str]) -> int:
        """The handle of the directory below the top that `folders` lead to."""
        same = 0
        for (name, _), folder in zip(self.levels[1:], folders, strict=False):
            if name != folder:
                break
            same += 1
        while len(self.levels) > same + 1:
            os.close(self.levels.pop()[1])
        for folder in folders[same:]:
            self.levels.append((folder, os.open(folder, DIRECTORY, dir_fd=self.levels[-1][1])))
        return self.levels[-1][1]


def _mode(entry: Entry, most: int, least: int) -> int:
    return entry.mode & most | least
