"""Fixtures: a second private engine, in directories and a network of its own, where only `lo` is."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

from goldi_tasks.engine import DEFAULT_PATHS, EnginePaths

_HEAD = """from pathlib import Path
from goldi_tasks.engine import EnginePaths, daemon, lock
place = EnginePaths(**{name: Path(path) for name, path in %r.items()})
"""


@dataclass
class Call:
    """Runs a line of Python that names `place`, or else a shell line, in the network of `holder`; returns its output.

    `env` is added to the environment of what is run.
    """

    place: EnginePaths
    holder: int
    env: dict[str, str] = field(default_factory=dict)

    def __call__(self, line: str) -> str:
        head = _HEAD % {name: str(path) for name, path in asdict(self.place).items()}
        argv = [sys.executable, "-c", head + line] if "place" in line else ["sh", "-c", line]
        path = f"{DEFAULT_PATHS.path}:{self.place.path}"
        environment = {**os.environ, "DOCKER_HOST": f"unix://{self.place.socket}", "PATH": path, **self.env}
        entered = [*self.enter, *argv]
        done = subprocess.run(entered, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def network(self) -> Path:
        """The network namespace."""
        return Path(f"/proc/{self.holder}/ns/net")

    @property
    def enter(self) -> tuple[str, str]:
        """What runs the arguments that follow in that network."""
        return "nsenter", f"--net={self.network}"


@pytest.fixture(scope="module")
def place() -> Iterator[EnginePaths]:
    # Not tmp_path: the names of sockets must be short.
    base = Path(tempfile.mkdtemp(prefix="goldi-", dir="/tmp"))
    base.chmod(0o755)
    yield EnginePaths(base / "prefix", base / "data", base / base.name, base / "docker.sock", base / "local")
    shutil.rmtree(base)


@pytest.fixture(scope="module")
def call(place: EnginePaths) -> Iterator[Call]:
    """A network where only `lo` is: a second dockerd on the same network would reset the first one's rules."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "1200"])
    inside = Call(place, holder.pid)
    while inside.network.readlink() == Path("/proc/self/ns/net").readlink():
        time.sleep(0.01)
    # SIOCSIFFLAGS, IFF_UP: small systems lack iproute2.
    up = "import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 1))"
    inside(f"'{sys.executable}' -c \"{up}\"")
    yield inside
    inside("daemon.down(place, purge=True)")
    holder.kill()
    holder.wait()


@pytest.fixture
def fetched(place: EnginePaths) -> None:
    """Packages, those of this machine's engine if there are any: a download of 90 MB less."""
    fetch(place)


def fetch(place: EnginePaths) -> None:
    if DEFAULT_PATHS.prefix.exists() and not place.prefix.exists():
        subprocess.run(["cp", "-al", DEFAULT_PATHS.prefix, place.prefix], check=True)
