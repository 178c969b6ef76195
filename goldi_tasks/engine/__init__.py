"""The door to an engine: use the one that answers, or bring one up; and base images where no registry answers.

`packages` fetches, `daemon` starts, stops and tells, `purge` wipes, `images` makes base images.
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
class Place:
    """Where a private engine lives. Tests make a second one elsewhere; everybody else has the default.

    `local` is where links to the client and its plugins go. The last part of `run` names the cgroup.
    """

    prefix: Path = Path("/opt/goldi-engine")
    data: Path = Path("/var/lib/goldi-engine")
    run: Path = Path("/run/goldi-engine")
    socket: Path = Path("/var/run/docker.sock")
    local: Path = Path("/usr/local")

    @property
    def path(self) -> str:
        """PATH for the engine's programs: ours first (`wrap` before the programs it wraps), then the system's."""
        ours = [str(self.prefix / name) for name in ("wrap", "usr/bin", "usr/sbin")]
        return ":".join([*ours, os.environ.get("PATH", ""), "/usr/sbin:/usr/bin:/sbin:/bin"])


HERE = Place()


def as_root(*words: str) -> bool:
    """False if we are root; else `words` were done through sudo (see __main__). Raises NoPermission."""
    if os.getuid() == 0:
        return False
    if not shutil.which("sudo"):
        remedy = "Run it as root, or have Docker with its buildx and compose plugins installed"
        raise NoPermission("bringing an engine up or down needs root, and sudo is not installed", remedy)
    # Root leaves nothing of its own among the user's files: no docker configuration, no bytecode.
    home = ("sudo", "-E", "-H", "env", "--unset=DOCKER_CONFIG")
    try:
        process.live(Command((*home, sys.executable, "-B", "-m", "goldi_tasks.engine", *words)))
    except CommandFailed as error:
        # It has said why.
        raise SystemExit(error.code) from None
    return True


@contextmanager
def lock(place: Place) -> Iterator[None]:
    """One of us at a time; a second one waits. What the system refuses is told as EngineFailed."""
    path = place.run.with_suffix(".lock")
    while True:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)) as file:
            locks.acquire(file.fileno())
            # A purge removes the file that others wait for.
            if not path.exists() or not os.path.samestat(path.stat(), os.fstat(file.fileno())):
                continue
            try:
                yield
            except OSError as error:
                raise EngineFailed(str(error), "Mend that and run this again") from error
            return


def own(path: Path, mode: int = 0o755) -> Path:
    """`path`, a directory that only root can write to, made if need be. Raises EngineFailed if it is anything else."""
    try:
        path.mkdir(mode)
        path.chmod(mode)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
            problem = f"{path} is not a directory of root's that nobody else can write to"
            raise EngineFailed(problem, "Move it away and run this again") from None
    return path
