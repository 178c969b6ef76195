"""What happens to an operation: processes end, disks fill up, files of caches are damaged."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.campaign import schedule
from tests.campaign.scene import Running, Said, Scene

# What a file system has left when it is full: somewhere below what the operation writes there.
_LEFT = {"full-cache": 12_000_000, "full-tmp": 30_000, "full-state": 12_000, "full-engine": 25_000_000}
_LEFT_BY_ARCHIVES = {**_LEFT, "full-cache": 200_000_000}
# Seconds in which what is to be killed has to appear.
_LOOK = 0.2


def family(pid: int) -> list[int]:
    """A process and what it has started, and those in turn."""
    found = [pid]
    for file in Path("/proc").glob(f"{pid}/task/*/children"):
        with suppress(OSError):
            for child in map(int, file.read_text(encoding="ascii").split()):
                found += family(child)
    return found


def words(pid: int) -> list[str]:
    """The arguments of a process; [] for one that is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    return []


def strike(scene: Scene, running: Running, fault: str, dice: random.Random) -> bool:
    """Do to what is running what `fault` says; whether it was hit."""
    pid = running.process.pid
    match fault:
        case "kill-engine":
            return scene.engine.kill()
        case "kill-goldi":
            return _signal([pid], signal.SIGKILL)
        case "kill-all":
            return _signal(family(pid), signal.SIGKILL)
        case "interrupt":
            # As from a terminal, or as from a program that knows nobody but us.
            return _signal(family(pid) if dice.random() < 0.5 else [pid], signal.SIGINT)
        case "kill-buildx":
            return _kill_buildx(running)
    return True


def _signal(pids: list[int], number: signal.Signals) -> bool:
    hit = False
    for pid in pids:
        # One that has ended and was not waited for takes any signal.
        if words(pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
                hit = True
    return hit


def _kill_buildx(running: Running) -> bool:
    """The client processes that work for it now, or soon."""
    end = time.monotonic() + _LOOK
    while time.monotonic() < end and running.process.poll() is None:
        found = [pid for pid in family(running.process.pid)[1:] if "buildx" in " ".join(words(pid)[:2])]
        if _signal(found, signal.SIGKILL):
            return True
        time.sleep(0.005)
    return False


@contextmanager
def around(scene: Scene, operation: str, fault: str, dice: random.Random) -> Iterator[list[str]]:
    """A fault that is there before the operation begins: what was done, told. A full disk is emptied afterwards."""
    archives = operation in ("save", "restore")
    if fault in schedule.FULL:
        name = fault.removeprefix("full-")
        top = {"cache": scene.cache, "tmp": scene.tmp, "state": scene.state, "engine": scene.disk}[name]
        most = _LEFT_BY_ARCHIVES if archives else _LEFT
        with _filled(top, dice.randrange(most[fault])) as left:
            yield [f"{left} bytes are left on the disk of {name}"]
    elif fault in schedule.DAMAGE:
        victims = [scene.archive] if archives else _victims(scene, dice)
        yield [damage(path, fault, dice) for path in victims]
    else:
        yield []


@contextmanager
def _filled(top: Path, left: int) -> Iterator[int]:
    """The file system of `top` with so many bytes left."""
    ballast = top / "ballast"
    found = os.statvfs(top)
    with ballast.open("wb") as file:
        size = max(0, found.f_bavail * found.f_frsize - left)
        os.posix_fallocate(file.fileno(), 0, max(1, size))
    try:
        yield left
    finally:
        ballast.unlink()


def _victims(scene: Scene, dice: random.Random) -> list[Path]:
    """One to three files of a kind of cache: blobs, the layout around them, state, an archive."""
    local = [path for path in scene.local.rglob("*") if path.is_file()] if scene.local.exists() else []
    state = [path for path in (scene.state / "goldi").rglob("*") if path.is_file()]
    kinds = [
        [path for path in local if "blobs" in path.parts],
        [path for path in local if "blobs" not in path.parts],
        state,
        local + state,
    ]
    files = sorted(dice.choice([kind for kind in kinds if kind]))
    return dice.sample(files, min(len(files), dice.randrange(1, 4)))


def damage(path: Path, how: str, dice: random.Random) -> str:
    """Flip a byte of a file, cut it or delete it; what was done."""
    size = path.stat().st_size
    at = dice.randrange(size) if size else 0
    match how:
        case "flip" if size:
            with path.open("r+b") as file:
                file.seek(at)
                byte = file.read(1)[0]
                file.seek(at)
                file.write(bytes([byte ^ dice.randrange(1, 256)]))
        case "cut":
            os.truncate(path, at)
        case "delete":
            path.unlink()
    return f"{how} {path} at {at} of {size}"


def hit(scene: Scene, running: Running, fault: str, moment: float, dice: random.Random) -> Said:
    """Wait for the moment, in seconds since it began, strike, and wait for its end."""
    while (left := running.began + moment - time.monotonic()) > 0 and running.process.poll() is None:
        time.sleep(min(left, 0.02))
    struck = running.process.poll() is None and strike(scene, running, fault, dice)
    said = running.wait()
    said.hit = struck or fault in (*schedule.FULL, *schedule.DAMAGE, "none")
    return said
