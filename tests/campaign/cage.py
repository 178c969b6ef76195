"""Namespaces of its own for a campaign: processes, mounts, network. When it ends, however it ends, they end."""

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from goldi_tasks.engine import DEFAULT_PATHS, EnginePaths, packages

# With the one who started it gone, everything goes. The shell is there to wait for orphans.
_CAGE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child")
_SHELL = ("--mount-proc", "sh", "-c", '"$@"; exit $?', "sh")
# Sizes of the file systems inside: those of the engine's data and of the caches are sparse files.
_DISKS, _SMALL = {"disk": 3 << 30, "caches": 1 << 30}, 16 << 20


def place(base: Path) -> EnginePaths:
    """Where the campaign's engine lives."""
    return EnginePaths(base / "prefix", base / "disk/data", base / base.name, base / "docker.sock", base / "local")


def run(image: str, arguments: Sequence[str]) -> int:
    """Run this package with `arguments` in a cage to which the engine's `image` is handed; its exit code."""
    # Not below TMPDIR: names of sockets must be short.
    base = Path(tempfile.mkdtemp(prefix="goldi-", dir="/tmp"))
    base.chmod(0o755)
    try:
        _fetch(base)
        with subprocess.Popen(("docker", "save", image), stdout=subprocess.PIPE) as saved:
            inside = (sys.executable, "-m", __package__, "--inside", str(base), "--image", image, *arguments)
            with subprocess.Popen((*_CAGE, *_SHELL, *inside), stdin=saved.stdout) as caged:
                assert saved.stdout
                saved.stdout.close()
                return _wait(caged)
    finally:
        _remove(base)


def _wait(caged: "subprocess.Popen[bytes]") -> int:
    while True:
        try:
            return caged.wait()
        except KeyboardInterrupt:
            # The one inside has it too, and ends its engine.
            continue


def _fetch(base: Path) -> None:
    """The engine's programs: those of this machine's private engine, if there is one, cost no download."""
    if DEFAULT_PATHS.prefix.exists():
        subprocess.run(("cp", "-al", DEFAULT_PATHS.prefix, base / "prefix"), check=True)
    else:
        packages.ensure(place(base), renew=False)


def _remove(base: Path) -> None:
    for top in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*/")):
        for folder, _, _ in os.walk(top / base.name, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
    shutil.rmtree(base)


@contextmanager
def furnished(base: Path) -> Iterator[None]:
    """Inside: a network that is `lo`, and the file systems; no path leads to the machine's own engine."""
    # SIOCSIFFLAGS, IFF_UP: small systems lack iproute2.
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))
    mount("/run", 0)
    for name, size in _DISKS.items():
        image = base / f"{name}.img"
        with image.open("wb") as file:
            file.truncate(size)
        for argv in (("mkfs.ext4", "-q", "-F", image), ("mount", "-o", "loop", image, _made(base / name))):
            subprocess.run(argv, check=True)
    for name in ("tmp", "state"):
        mount(_made(base / name), _SMALL)
    yield


def mount(path: Path | str, size: int) -> None:
    """A tmpfs over `path`; 0 is the system's own size."""
    options = f"mode=755,size={size}" if size else "mode=755"
    if ctypes.CDLL(None, use_errno=True).mount(b"tmpfs", os.fsencode(path), b"tmpfs", 0, options.encode()):
        raise OSError(ctypes.get_errno(), f"no tmpfs over {path}")


def _made(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path
