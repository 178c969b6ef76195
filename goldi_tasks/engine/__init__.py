"""Provide a Docker engine: use the one that answers, or start a private one; make base images without a registry.

`packages` fetches, `daemon` starts, stops and reports, `uninstall` removes, `base_images` makes images.
"""

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks import locks, process
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, EngineFailed, NoPermission


@dataclass(frozen=True)
class EnginePaths:
    """The paths of a private engine. Tests make a second engine elsewhere; all others use the default.

    Links to the client and its plugins are created below `local`. The last part of `run` also names the cgroup.
    """

    prefix: Path = Path("/opt/goldi-engine")
    data: Path = Path("/var/lib/goldi-engine")
    run: Path = Path("/run/goldi-engine")
    socket: Path = Path("/var/run/docker.sock")
    local: Path = Path("/usr/local")

    @property
    def path(self) -> str:
        """Return PATH for the engine's programs: ours first (wrappers before what they wrap), then the system's."""
        ours = [str(self.prefix / name) for name in ("wrap", "usr/bin", "usr/sbin")]
        return ":".join([*ours, os.environ.get("PATH", ""), "/usr/sbin:/usr/bin:/sbin:/bin"])


DEFAULT_PATHS = EnginePaths()


def as_root(*argv: str) -> bool:
    """Return False if we are root; else run `argv` of __main__ through sudo, return True. Raises NoPermission."""
    if os.getuid() == 0:
        return False
    if not shutil.which("sudo"):
        remedy = "Run this as root, or install Docker with its buildx and compose plugins"
        raise NoPermission("bringing an engine up or down needs root, and sudo is not installed", remedy)
    # Root must not create files in the user's directories: no docker configuration, no bytecode.
    sudo = ("sudo", "-E", "-H", "env", "--unset=DOCKER_CONFIG")
    try:
        process.run_in_terminal(Command((*sudo, sys.executable, "-B", "-m", "goldi_tasks.engine", *argv)))
    except CommandFailed as error:
        # It has printed the reason.
        raise SystemExit(error.code) from None
    return True


@contextmanager
def lock(paths: EnginePaths) -> Iterator[None]:
    """Hold the engine's lock; a second process waits. Raises EngineFailed for an OSError in the block."""
    path = paths.run.with_suffix(".lock")
    while True:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)) as file:
            locks.acquire(file.fileno())
            # A purge removes the lock file while others wait for it.
            if not path.exists() or not os.path.samestat(path.stat(), os.fstat(file.fileno())):
                continue
            try:
                yield
            except OSError as error:
                raise EngineFailed(str(error), "Fix this error and run this again") from error
            return


def ensure_root_directory(path: Path, mode: int = 0o755) -> Path:
    """Return the directory `path`, writable by root only; create it if it is missing. Raises EngineFailed."""
    try:
        path.mkdir(mode)
        path.chmod(mode)
    except FileExistsError:
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
            problem = f"{path} is not a directory that only root can write to"
            raise EngineFailed(problem, "Move it away and run this again") from None
    return path
