"""Inside a throw-away build: takes what is in cache mounts out as a tar, or puts a tar into them.

This file needs the standard library only, since it runs alone, as root, on the Python of the project's base image.
"""

import contextlib
import errno
import io
import os
import shutil
import stat
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = ".goldi-restore-"
TAKEN = "/.goldi-mounts"
FULL = "no space left"
SMALL = 1 << 22


def take(mounts: Path) -> None:
    """Write all of them to one tar, as `<number>/<path>`; a file that goes meanwhile is passed over."""
    with tarfile.open(TAKEN, "w|", format=tarfile.PAX_FORMAT, bufsize=1 << 20) as tar:
        for mount in _numbers(mounts):
            _settle(mount)
            for path in _below(mount):
                # Each of a file's links is a file of its own.
                tar.inodes.clear()  # type: ignore[attr-defined]
                with contextlib.suppress(FileNotFoundError):
                    _add(tar, path, f"{mount.name}/{path.relative_to(mount)}")


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    info = tar.gettarinfo(str(path), name)
    if info is None or not info.isreg():
        if info is not None:
            tar.addfile(info)
        return
    with path.open("rb") as file:
        info.size = os.fstat(file.fileno()).st_size
        if info.size <= SMALL:
            # It may change: what is read is what there is.
            data = file.read(SMALL)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        else:
            tar.addfile(info, file)


def give(mounts: Path) -> None:
    """Unpack the tar beside what is in each of them, and only then put it in its place."""
    for mount in _numbers(mounts):
        _settle(mount)
    with tarfile.open(Path(__file__).with_name("mounts.tar"), "r|", bufsize=1 << 20) as tar:
        for info in tar:
            number, _, path = info.name.partition("/")
            _unpack(tar, info, mounts / number / f"{PREFIX}new" / path)
    for mount in _numbers(mounts):
        if (mount / f"{PREFIX}new").is_dir():
            _place(mount)


def _unpack(tar: tarfile.TarFile, info: tarfile.TarInfo, path: Path) -> None:
    if not path.parent.is_dir():
        path.parent.mkdir(0o700)
    if info.isdir():
        path.mkdir(0o700)
        path.chmod(info.mode)
    elif info.issym():
        path.symlink_to(info.linkname)
    else:
        content = tar.extractfile(info)
        with path.open("xb") as file:
            shutil.copyfileobj(content or io.BytesIO(), file, 1 << 20)
        path.chmod(info.mode)
    os.chown(path, info.uid, info.gid, follow_symlinks=False)
    if not info.isdir():
        os.utime(path, (info.mtime, info.mtime), follow_symlinks=False)


def _place(mount: Path) -> None:
    """Each step can be told from what is there: a kill in the middle is undone or finished by the next run."""
    old = mount / f"{PREFIX}old"
    old.mkdir(0o700)
    for path in list(mount.iterdir()):
        if not path.name.startswith(PREFIX):
            path.rename(old / path.name)
    (mount / f"{PREFIX}new").rename(mount / f"{PREFIX}go")
    _settle(mount)


def _settle(mount: Path) -> None:
    """Finish what a run was about to do here, or undo it, and remove what is left of it."""
    go, old = mount / f"{PREFIX}go", mount / f"{PREFIX}old"
    source = go if go.is_dir() else old
    for path in list(source.iterdir()) if source.is_dir() else []:
        there = mount / path.name
        if os.path.lexists(there):
            # A build that shares the mount made it meanwhile.
            aside = mount / f"{PREFIX}aside"
            aside.mkdir(0o700, exist_ok=True)
            there.rename(aside / path.name)
        path.rename(there)
    for left in mount.glob(f"{PREFIX}*"):
        shutil.rmtree(left)


def _numbers(mounts: Path) -> list[Path]:
    return sorted(mounts.iterdir(), key=lambda path: int(path.name))


def _below(mount: Path) -> Iterator[Path]:
    """Directories before what is in them; no sockets and devices, and nothing that a killed restore left."""
    for top, folders, files in os.walk(mount):
        here = Path(top)
        folders[:] = sorted(name for name in folders if here != mount or not name.startswith(PREFIX))
        for name in [*folders, *sorted(files)]:
            with contextlib.suppress(FileNotFoundError):
                mode = (here / name).lstat().st_mode
                if stat.S_ISDIR(mode) or stat.S_ISREG(mode) or stat.S_ISLNK(mode):
                    yield here / name


def main(verb: str, mounts: str) -> int:
    """`agent.py take|give MOUNTS TOKEN`; that the disk is full is told in what is taken, which is all that is read."""
    try:
        take(Path(mounts)) if verb == "take" else give(Path(mounts))
    except OSError as error:
        if verb == "take" and error.errno == errno.ENOSPC:
            with tarfile.open(TAKEN, "w") as tar:
                tar.addfile(tarfile.TarInfo(FULL))
            return 0
        print(f"goldi: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
