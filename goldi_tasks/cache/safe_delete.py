"""Remove what a cache directory holds, or only count it: no link followed, on one file system, at any depth.

This file needs the standard library only and is one file, since it runs alone: as root in a throw-away container (see
container.py), or through sudo. Everything is named relative to an open directory, so that nobody can put a link in
between.
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
# How often a directory is gone through again because something was written into it meanwhile.
TRIES = 3
KEY = re.compile(r".+-[0-9a-f]{8}")


@dataclass
class Left:
    """Something that stays: its path in the cache directory ("" is the directory), and why."""

    path: str
    reason: str
    errno: int = 0

    @classmethod
    def of(cls, path: str, error: OSError) -> "Left":
        """What `error` kept."""
        return cls(path, error.strerror or str(error), error.errno or 0)

    @property
    def denied(self) -> bool:
        """Whether root might do it."""
        return self.errno in (errno.EACCES, errno.EPERM)


@dataclass
class Tally:
    """What was found, and what of it went or would go. Bytes are on disk, a file with many links is one.

    `freed` counts a file when its last link goes. `foreign` are the topmost paths of other users, `unreadable` the
    directories that could not be looked into. `newest` is the newest change, in seconds since the epoch.
    """

    bytes: int = 0
    files: int = 0
    freed: int = 0
    removed: int = 0
    newest: float = 0.0
    foreign: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


@dataclass
class _Level:
    """An entered directory: `kept` if something stays in it, `denied` if nothing can be removed from it."""

    name: str
    found: os.stat_result
    foreign: bool
    folders: list[str] = field(default_factory=list)
    tries: dict[str, int] = field(default_factory=dict)
    kept: bool = False
    denied: bool = False


def tagged(handle: int) -> bool:
    """Whether the open directory is marked as a cache (https://bford.info/cachedir/)."""
    try:
        tag = os.open(TAG, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
    except OSError:
        return False
    with os.fdopen(tag, "rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE


def walk(
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
    """Empty the open directory `top`, found at `folder`; without `act` only say what would be done.

    The directory and its tag stay, and with `keys` the directories of projects in it: containers have them mounted.
    With `strangers` only what another user left goes. Files that were written or read after `before` stay too.
    `tally` is filled on the way, so that it is true after Ctrl-C too.
    """
    run = _Walk(top, folder, tally, act=act, owner=owner, keys=keys, strangers=strangers)
    run.before = before
    try:
        run.go()
    finally:
        os.close(run.here)


class _Walk:
    def __init__(
        self, top: int, folder: str, tally: Tally, *, act: bool, owner: int, keys: bool, strangers: bool
    ) -> None:
        self.tally, self.act, self.owner, self.keys, self.strangers = tally, act, owner, keys, strangers
        self.mounts = mounts(folder)
        self.read_only = bool(os.fstatvfs(top).f_flag & os.ST_RDONLY)
        self.links: dict[int, int] = {}
        self.levels: list[_Level] = []
        self.here = os.dup(top)
        self.before = math.inf

    def go(self) -> None:
        """Down into each directory, and up through `..`: a handle for each level would limit the depth."""
        self._arrive("", os.fstat(self.here))
        while True:
            level = self.levels[-1]
            if level.folders:
                self._enter(level.folders.pop())
            elif len(self.levels) == 1 or not self._up():
                return

    def _enter(self, name: str) -> None:
        try:
            inside = self._open(name)
        except FileNotFoundError:
            return  # its container removed it
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM):
                self.tally.unreadable.append(self._path(name))
                uid = os.stat(name, dir_fd=self.here, follow_symlinks=False).st_uid
                self._foreign(name, uid)
                error = _denial(error, uid)
            self._leave(name, error)
            return
        found = os.fstat(inside)
        if found.st_dev != self.levels[0].found.st_dev or self._path(name) in self.mounts:
            os.close(inside)
            self._leave(name, OSError(errno.EXDEV, "another file system"))
            return
        os.close(self.here)
        self.here = inside
        self._arrive(name, found)

    def _arrive(self, name: str, found: os.stat_result) -> None:
        """Go through the files of the directory that was entered, and note its directories."""
        foreign = bool(self.levels) and self._foreign(name, found.st_uid)
        level = _Level(name, found, foreign or (bool(self.levels) and self.levels[-1].foreign))
        first = not (self.levels and self.levels[-1].tries.get(name))
        self.levels.append(level)
        self.tally.newest = max(self.tally.newest, found.st_mtime)
        level.kept = found.st_mtime > self.before
        self.tally.bytes += found.st_blocks * 512 if len(self.levels) > 1 and first else 0
        self._unlock(level)
        with os.scandir(self.here) as entries:
            # Read to its end before anything is removed.
            for entry in list(entries):
                if entry.is_dir(follow_symlinks=False):
                    level.folders.append(entry.name)
                else:
                    self._file(level, entry)

    def _file(self, level: _Level, entry: "os.DirEntry[str]") -> None:
        try:
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return
        seen = self.links.get(found.st_ino, 0)
        if found.st_nlink > 1 or seen:
            self.links[found.st_ino] = seen + 1
        used = found.st_blocks * 512
        if not seen:
            self.tally.files += 1
            self.tally.bytes += used
            self.tally.newest = max(self.tally.newest, found.st_mtime)
        if found.st_uid != self.owner:
            self._foreign(entry.name, found.st_uid)
        if entry.name == TAG and len(self.levels) == 1:
            return
        ours = self.strangers and found.st_uid == self.owner and not level.foreign
        if ours or max(found.st_mtime, found.st_atime) > self.before:
            level.kept = True
            return
        if self._remove(level, entry.name, os.unlink):
            self.tally.removed += not seen
            self.tally.freed += used if found.st_nlink <= (1 if self.act else seen + 1) else 0

    def _up(self) -> bool:
        """Back to the directory above, and remove the one that was left. False if it is not where it was."""
        level = self.levels.pop()
        above = os.open("..", DIRECTORY, dir_fd=self.here)
        os.close(self.here)
        self.here = above
        parent = self.levels[-1]
        if not os.path.samestat(os.fstat(above), parent.found):
            self._leave(level.name, OSError(errno.EBUSY, "it was moved away meanwhile"))
            return False
        if level.kept:
            parent.kept = True
        elif self._stays(level):
            pass
        elif self._remove(parent, level.name, os.rmdir):
            self.tally.freed += level.found.st_blocks * 512
        return True

    def _stays(self, level: _Level) -> bool:
        if self.strangers:
            return not level.foreign
        return self.keys and len(self.levels) == 1 and KEY.fullmatch(level.name) is not None

    def _remove(self, level: _Level, name: str, how: Callable[..., None]) -> bool:
        """Whether `name`, in the directory where we are, is gone by us, or would be."""
        if level.denied:
            return False
        try:
            if self.act:
                how(name, dir_fd=self.here)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno == errno.ENOTEMPTY and level.tries.setdefault(name, 0) < TRIES:
                level.tries[name] += 1
                level.folders.append(name)
            elif error.errno in (errno.EACCES, errno.EROFS):
                self._deny(level, error)
            else:
                self._leave(name, error)
            return False
        return True

    def _unlock(self, level: _Level) -> None:
        """A directory of our own that we may not write to is no obstacle, unless it is one that stays."""
        ours = level.found.st_uid == os.geteuid() and len(self.levels) > 1
        ours = ours and not (len(self.levels) == 2 and self.keys and KEY.fullmatch(level.name))
        if self.act and ours and not self.strangers and level.found.st_mode & 0o700 != 0o700 and not self.read_only:
            os.fchmod(self.here, level.found.st_mode & 0o7777 | 0o700)
        elif not self.act and self.read_only:
            self._deny(level, OSError(errno.EROFS, os.strerror(errno.EROFS)))
        elif not self.act and not ours and not os.access(".", os.W_OK | os.X_OK, dir_fd=self.here, effective_ids=True):
            self._deny(level, OSError(errno.EACCES, os.strerror(errno.EACCES)))

    def _open(self, name: str) -> int:
        try:
            return os.open(name, DIRECTORY, dir_fd=self.here)
        except PermissionError:
            found = os.stat(name, dir_fd=self.here, follow_symlinks=False)
            if not self.act or self.strangers or found.st_uid != os.geteuid():
                raise
        # chmod has no way to follow no link: the handle is what it changes.
        handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self.here)
        try:
            os.chmod(f"/proc/self/fd/{handle}", 0o700)  # noqa: PTH101 - paths are names here
        finally:
            os.close(handle)
        return os.open(name, DIRECTORY, dir_fd=self.here)

    def _deny(self, level: _Level, error: OSError) -> None:
        """Told once for the topmost directory, not for each name in it."""
        level.denied = True
        level.kept = True
        if not (len(self.levels) > 1 and self.levels[-2].denied):
            self.tally.left.append(Left.of(self._path(""), _denial(error, level.found.st_uid)))

    def _leave(self, name: str, error: OSError) -> None:
        self.levels[-1].kept = True
        self.tally.left.append(Left.of(self._path(name), error))

    def _foreign(self, name: str, uid: int) -> bool:
        """Whether it is another user's; only the topmost is noted."""
        if uid != self.owner and not self.levels[-1].foreign:
            self.tally.foreign.append(self._path(name))
        return uid != self.owner

    def _path(self, name: str) -> str:
        return "/".join([*(level.name for level in self.levels[1:]), *filter(None, [name])])


def _denial(error: OSError, uid: int) -> OSError:
    """The error, with whose the directory is that it is about."""
    whose = f", it belongs to user {uid}" if uid != os.geteuid() and error.errno != errno.EROFS else ""
    return OSError(error.errno, f"{error.strerror}{whose}")


def mounts(folder: str) -> set[str]:
    """What is mounted below `folder`, relative to it: a bind mount of the same file system has the same device."""
    below = os.path.join(os.path.realpath(folder), "")  # noqa: PTH118 - this file runs alone
    try:
        with open("/proc/self/mountinfo", "rb") as file:  # noqa: PTH123 - this file runs alone
            # Spaces and their like are written as octal.
            fields = (line.split()[4] for line in file)
            found = [os.fsdecode(re.sub(rb"\\(\d{3})", lambda m: bytes([int(m[1], 8)]), path)) for path in fields]
    except OSError:
        return set()
    return {path.removeprefix(below) for path in found if path.startswith(below)}


def main(argv: list[str]) -> int:
    """`python walk.py DIRECTORY SUBDIRECTORY KEYS [DEVICE:INODE]`: empty a tagged directory, tell in JSON; 1 if not.

    KEYS is `keys` if those stay, `strangers` if only what another user left goes, or anything else.
    """
    folder, only, keys, *identity = argv
    tally = Tally()
    try:
        top = os.open(folder, DIRECTORY)
        found = os.fstat(top)
        if not tagged(top) or identity not in ([], [f"{found.st_dev}:{found.st_ino}"]):
            print("another directory", file=sys.stderr)
            return 1
        inside = os.open(only, DIRECTORY, dir_fd=top) if only else top
        walk(
            inside,
            os.path.join(folder, only),  # noqa: PTH118
            tally,
            act=True,
            owner=found.st_uid,
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
