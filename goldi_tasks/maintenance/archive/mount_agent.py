"""Write the content of cache mounts to a tar, or unpack a tar into them, inside a helper build.

This file imports only the standard library, because it runs alone, as root, with the Python of the base image.
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
    """Write all mounts to one tar, as `<number>/<path>`, without files that are deleted meanwhile. Raises OSError."""
    with tarfile.open(TAKEN, "w|", format=tarfile.PAX_FORMAT, bufsize=1 << 20) as tar:
        for mount in _list_mounts(mounts):
            _recover(mount)
            for path in _list_entries(mount):
                # Hard links are saved as separate files.
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
            # The file may change: its size in the tar is what was read.
            content = file.read(SMALL)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        else:
            tar.addfile(info, file)


def give(mounts: Path) -> None:
    """Unpack the tar into a new directory in each mount, then replace the mount's content by it. Raises OSError."""
    for mount in _list_mounts(mounts):
        _recover(mount)
    with tarfile.open(Path(__file__).with_name("mounts.tar"), "r|", bufsize=1 << 20) as tar:
        for info in tar:
            number, _, path = info.name.partition("/")
            _unpack(tar, info, mounts / number / f"{PREFIX}new" / path)
    for mount in _list_mounts(mounts):
        if (mount / f"{PREFIX}new").is_dir():
            _replace(mount)


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


def _replace(mount: Path) -> None:
    """Move the content to `old`, and that of `new` to the mount.

    The directories show which step was the last one: after a kill the next run undoes or finishes the rest.
    """
    old = mount / f"{PREFIX}old"
    old.mkdir(0o700)
    for path in list(mount.iterdir()):
        if not path.name.startswith(PREFIX):
            path.rename(old / path.name)
    (mount / f"{PREFIX}new").rename(mount / f"{PREFIX}go")
    _recover(mount)


def _recover(mount: Path) -> None:
    """Finish an interrupted replacement if its new content is complete, else undo it; delete our directories."""
    go, old = mount / f"{PREFIX}go", mount / f"{PREFIX}old"
    source = go if go.is_dir() else old
    for path in list(source.iterdir()) if source.is_dir() else []:
        destination = mount / path.name
        if os.path.lexists(destination):
            # A build that shares the mount created it meanwhile.
            aside = mount / f"{PREFIX}aside"
            aside.mkdir(0o700, exist_ok=True)
            destination.rename(aside / path.name)
        path.rename(destination)
    for directory in mount.glob(f"{PREFIX}*"):
        shutil.rmtree(directory)


def _list_mounts(mounts: Path) -> list[Path]:
    return sorted(mounts.iterdir(), key=lambda path: int(path.name))


def _list_entries(mount: Path) -> Iterator[Path]:
    """Yield directories before their content; without sockets, devices, and directories of a killed restore."""
    for top, folders, files in os.walk(mount):
        parent = Path(top)
        folders[:] = sorted(name for name in folders if parent != mount or not name.startswith(PREFIX))
        for name in [*folders, *sorted(files)]:
            with contextlib.suppress(FileNotFoundError):
                mode = (parent / name).lstat().st_mode
                if stat.S_ISDIR(mode) or stat.S_ISREG(mode) or stat.S_ISLNK(mode):
                    yield parent / name


def main(verb: str, mounts: str) -> int:
    """Run `agent.py take|give MOUNTS TOKEN`, and return its exit code.

    A full disk in `take` is reported as a member FULL of the tar, because the caller reads nothing else.
    """
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
