"""Delete the content of a cache directory, or only count it: follow no link, stay on one file system, at any depth.

This file imports only the standard library, because it runs alone: as root in a helper container (see
maintenance/root_removal.py), or through sudo. Every name is relative to an open directory, so that no other process can
redirect it with a symbolic link.
"""

import errno
import json
import math
import os
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

TAG = "CACHEDIR.TAG"
SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
# How often a directory is visited again because another process wrote into it during the deletion.
TRIES = 3
KEY = re.compile(r".+-[0-9a-f]{8}")


@dataclass
class NotDeleted:
    """A path that could not be deleted, relative to the cache directory ("" is that directory), and the reason."""

    path: str
    reason: str
    errno: int = 0

    @classmethod
    def of(cls, path: str, error: OSError) -> "NotDeleted":
        """Return the record of `path`, which `error` prevented from being deleted."""
        return cls(path, error.strerror or str(error), error.errno or 0)

    @property
    def denied(self) -> bool:
        """Return whether permission was missing, so that root may succeed."""
        return self.errno in (errno.EACCES, errno.EPERM)


@dataclass
class Tally:
    """Counts of what exists, and of what was or would be deleted. Bytes are disk usage; hard links count once.

    `freed` is in bytes: a file counts when its last link is deleted. `foreign` are the topmost paths of other users,
    `unreadable` the directories that could not be opened. `newest` is the newest mtime, in seconds since the epoch.
    """

    bytes: int = 0
    files: int = 0
    freed: int = 0
    removed: int = 0
    newest: float = 0.0
    foreign: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    left: list[NotDeleted] = field(default_factory=list)


@dataclass
class _Level:
    """An entered directory: `must_stay` if something stays in it, `denied` if nothing can be deleted from it."""

    name: str
    status: os.stat_result
    foreign: bool
    folders: list[str] = field(default_factory=list)
    tries: dict[str, int] = field(default_factory=dict)
    must_stay: bool = False
    denied: bool = False


def has_cache_tag(handle: int) -> bool:
    """Return whether the open directory has a CACHEDIR.TAG (https://bford.info/cachedir/)."""
    try:
        tag = os.open(TAG, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
    except OSError:
        return False
    with os.fdopen(tag, "rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE


def empty_directory(
    top: int,
    folder: str,
    tally: Tally,
    *,
    act: bool,
    owner: int,
    keys: bool = False,
    strangers: bool = False,
    before: float = math.inf,
) -> None:
    """Empty the open directory `top`, whose path is `folder`; without `act` only count what would be deleted.

    The directory and its tag stay, and with `keys` the directories of projects in it: containers have them mounted.
    With `strangers` only files of users other than `owner` are deleted. Files that were written or read after `before`,
    in seconds since the epoch, stay, too. `tally` is updated at each step, so that it is right after Ctrl-C, too.
    """
    deletion = _Deletion(top, folder, tally, act=act, owner=owner, keys=keys, strangers=strangers)
    deletion.before = before
    try:
        deletion.run()
    finally:
        os.close(deletion.current)


class _Deletion:
    """The deletion of the tree below `top`; `current` is the open directory that is visited, the last of `levels`."""

    def __init__(
        self, top: int, folder: str, tally: Tally, *, act: bool, owner: int, keys: bool, strangers: bool
    ) -> None:
        self.tally, self.act, self.owner, self.keys, self.strangers = tally, act, owner, keys, strangers
        self.mounts = mounts(folder)
        self.read_only = bool(os.fstatvfs(top).f_flag & os.ST_RDONLY)
        self.links: dict[int, int] = {}
        self.levels: list[_Level] = []
        self.current = os.dup(top)
        self.before = math.inf

    def run(self) -> None:
        """Visit every directory, and go up through `..`: a file descriptor for each level would limit the depth."""
        self._visit("", os.fstat(self.current))
        while True:
            level = self.levels[-1]
            if level.folders:
                self._enter(level.folders.pop())
            elif len(self.levels) == 1 or not self._go_up():
                return

    def _enter(self, name: str) -> None:
        try:
            handle = self._open(name)
        except FileNotFoundError:
            return  # another process deleted it
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM):
                self.tally.unreadable.append(self._path(name))
                uid = os.stat(name, dir_fd=self.current, follow_symlinks=False).st_uid
                self._record_foreign(name, uid)
                error = _add_owner(error, uid)
            self._record_failure(name, error)
            return
        status = os.fstat(handle)
        if status.st_dev != self.levels[0].status.st_dev or self._path(name) in self.mounts:
            os.close(handle)
            self._record_failure(name, OSError(errno.EXDEV, "another file system"))
            return
        os.close(self.current)
        self.current = handle
        self._visit(name, status)

    def _visit(self, name: str, status: os.stat_result) -> None:
        """Delete the files of the current directory, and list its subdirectories in `level.folders`."""
        foreign = bool(self.levels) and self._record_foreign(name, status.st_uid)
        level = _Level(name, status, foreign or (bool(self.levels) and self.levels[-1].foreign))
        is_first_visit = not (self.levels and self.levels[-1].tries.get(name))
        self.levels.append(level)
        self.tally.newest = max(self.tally.newest, status.st_mtime)
        level.must_stay = status.st_mtime > self.before
        self.tally.bytes += status.st_blocks * 512 if len(self.levels) > 1 and is_first_visit else 0
        self._make_writable(level)
        with os.scandir(self.current) as entries:
            # The listing is complete before anything is deleted.
            for entry in list(entries):
                if entry.is_dir(follow_symlinks=False):
                    level.folders.append(entry.name)
                else:
                    self._delete_file(level, entry)

    def _delete_file(self, level: _Level, entry: "os.DirEntry[str]") -> None:
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return
        links_visited = self.links.get(status.st_ino, 0)
        if status.st_nlink > 1 or links_visited:
            self.links[status.st_ino] = links_visited + 1
        disk_bytes = status.st_blocks * 512
        if not links_visited:
            self.tally.files += 1
            self.tally.bytes += disk_bytes
            self.tally.newest = max(self.tally.newest, status.st_mtime)
        if status.st_uid != self.owner:
            self._record_foreign(entry.name, status.st_uid)
        if entry.name == TAG and len(self.levels) == 1:
            return
        is_own = self.strangers and status.st_uid == self.owner and not level.foreign
        if is_own or max(status.st_mtime, status.st_atime) > self.before:
            level.must_stay = True
            return
        if self._remove(level, entry.name, os.unlink):
            self.tally.removed += not links_visited
            self.tally.freed += disk_bytes if status.st_nlink <= (1 if self.act else links_visited + 1) else 0

    def _go_up(self) -> bool:
        """Return to the parent directory, and delete the one just visited. False if that was moved meanwhile."""
        level = self.levels.pop()
        parent_handle = os.open("..", DIRECTORY, dir_fd=self.current)
        os.close(self.current)
        self.current = parent_handle
        parent = self.levels[-1]
        if not os.path.samestat(os.fstat(parent_handle), parent.status):
            self._record_failure(level.name, OSError(errno.EBUSY, "it was moved during the deletion"))
            return False
        if level.must_stay:
            parent.must_stay = True
        elif self._is_preserved(level):
            pass
        elif self._remove(parent, level.name, os.rmdir):
            self.tally.freed += level.status.st_blocks * 512
        return True

    def _is_preserved(self, level: _Level) -> bool:
        if self.strangers:
            return not level.foreign
        return self.keys and len(self.levels) == 1 and KEY.fullmatch(level.name) is not None

    def _remove(self, level: _Level, name: str, delete: Callable[..., None]) -> bool:
        """Call `delete` for `name` in the current directory, and return whether it was, or would be, deleted by us."""
        if level.denied:
            return False
        try:
            if self.act:
                delete(name, dir_fd=self.current)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno == errno.ENOTEMPTY and level.tries.setdefault(name, 0) < TRIES:
                level.tries[name] += 1
                level.folders.append(name)
            elif error.errno in (errno.EACCES, errno.EROFS):
                self._record_denial(level, error)
            else:
                self._record_failure(name, error)
            return False
        return True

    def _make_writable(self, level: _Level) -> None:
        """Make our own directory writable, unless it is one that stays; without `act` only record if it is not."""
        may_chmod = level.status.st_uid == os.geteuid() and len(self.levels) > 1
        may_chmod = may_chmod and not (len(self.levels) == 2 and self.keys and KEY.fullmatch(level.name))
        lacks_mode = level.status.st_mode & 0o700 != 0o700
        if self.act and may_chmod and not self.strangers and lacks_mode and not self.read_only:
            os.fchmod(self.current, level.status.st_mode & 0o7777 | 0o700)
        elif not self.act and self.read_only:
            self._record_denial(level, OSError(errno.EROFS, os.strerror(errno.EROFS)))
        elif self.act or may_chmod:
            return
        elif not os.access(".", os.W_OK | os.X_OK, dir_fd=self.current, effective_ids=True):
            self._record_denial(level, OSError(errno.EACCES, os.strerror(errno.EACCES)))

    def _open(self, name: str) -> int:
        """Open the directory `name`; make it readable first if it is ours. Raises OSError."""
        try:
            return os.open(name, DIRECTORY, dir_fd=self.current)
        except PermissionError:
            status = os.stat(name, dir_fd=self.current, follow_symlinks=False)
            if not self.act or self.strangers or status.st_uid != os.geteuid():
                raise
        # chmod cannot refuse a symbolic link, so it changes the open directory through /proc.
        handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self.current)
        try:
            os.chmod(f"/proc/self/fd/{handle}", 0o700)  # noqa: PTH101 - paths are names here
        finally:
            os.close(handle)
        return os.open(name, DIRECTORY, dir_fd=self.current)

    def _record_denial(self, level: _Level, error: OSError) -> None:
        """Record that nothing can be deleted from `level`: once for the topmost directory, not for each name in it."""
        level.denied = True
        level.must_stay = True
        if not (len(self.levels) > 1 and self.levels[-2].denied):
            self.tally.left.append(NotDeleted.of(self._path(""), _add_owner(error, level.status.st_uid)))

    def _record_failure(self, name: str, error: OSError) -> None:
        self.levels[-1].must_stay = True
        self.tally.left.append(NotDeleted.of(self._path(name), error))

    def _record_foreign(self, name: str, uid: int) -> bool:
        """Return whether `uid` is another user, and record the topmost of the paths that belong to one."""
        if uid != self.owner and not self.levels[-1].foreign:
            self.tally.foreign.append(self._path(name))
        return uid != self.owner

    def _path(self, name: str) -> str:
        return "/".join([*(level.name for level in self.levels[1:]), *filter(None, [name])])


def _add_owner(error: OSError, uid: int) -> OSError:
    """Return `error` with the owner of the directory that it concerns added to its text."""
    owner = f", it belongs to user {uid}" if uid != os.geteuid() and error.errno != errno.EROFS else ""
    return OSError(error.errno, f"{error.strerror}{owner}")


def mounts(folder: str) -> set[str]:
    """Return the mount points below `folder`, relative to it; empty without /proc.

    The device number does not show all of them: a bind mount of the same file system has the same one.
    """
    prefix = os.path.join(os.path.realpath(folder), "")  # noqa: PTH118 - this file runs alone
    try:
        with open("/proc/self/mountinfo", "rb") as file:  # noqa: PTH123 - this file runs alone
            # Spaces, tabs and newlines are written as octal escapes.
            fields = (line.split()[4] for line in file)
            paths = [os.fsdecode(re.sub(rb"\\(\d{3})", lambda m: bytes([int(m[1], 8)]), path)) for path in fields]
    except OSError:
        return set()
    return {path.removeprefix(prefix) for path in paths if path.startswith(prefix)}


def main(argv: list[str]) -> int:
    """Empty a tagged directory, and print the tally as JSON. Return the exit code: 1 if it is refused or fails.

    Arguments: DIRECTORY SUBDIRECTORY KEYS [DEVICE:INODE]. SUBDIRECTORY may be "". KEYS is `keys` if the directories of
    projects stay, `strangers` if only files of other users are deleted, or `-`. DEVICE:INODE must be that of DIRECTORY.
    """
    folder, only, keys, *identity = argv
    tally = Tally()
    try:
        top = os.open(folder, DIRECTORY)
        status = os.fstat(top)
        if not has_cache_tag(top) or identity not in ([], [f"{status.st_dev}:{status.st_ino}"]):
            print("another directory", file=sys.stderr)
            return 1
        handle = os.open(only, DIRECTORY, dir_fd=top) if only else top
        empty_directory(
            handle,
            os.path.join(folder, only),  # noqa: PTH118
            tally,
            act=True,
            owner=status.st_uid,
            keys=keys == "keys",
            strangers=keys == "strangers",
        )
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(asdict(tally)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
