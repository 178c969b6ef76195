"""Debian's Chromium and its driver: found, or installed where they are missing; started, and ended for sure."""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PACKAGES = {"chromium": "chromium", "chromedriver": "chromium-driver"}


class NoBrowser(AssertionError):
    """There is no Chromium, and none can be installed."""


def installed() -> tuple[str, str]:
    """The paths of chromium and chromedriver; apt installs what is missing, as root or by `sudo -n`.

    Raises NoBrowser with one sentence where that does not work.
    """
    # Tests run in several processes, and apt in one.
    with Path(tempfile.gettempdir(), "goldi-test-apt.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
        if missing:
            _apt("update")
            _apt("install", "--yes", "--no-install-recommends", *missing)
    chromium, driver = map(shutil.which, PACKAGES)
    if not chromium or not driver:
        raise NoBrowser(f"apt-get install {' '.join(missing)} brought no {' and '.join(PACKAGES)}")
    return chromium, driver


def _apt(*arguments: str) -> None:
    """Run apt-get; raises NoBrowser with its last line if it fails."""
    sudo = () if os.getuid() == 0 else ("sudo", "-n")
    argv = (*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *arguments)
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        code, last = 127, f"there is no {argv[0]}"
    else:
        code, last = done.returncode, ((done.stderr or done.stdout).strip().splitlines() or ["it says nothing"])[-1]
    if code:
        raise NoBrowser(f"this test needs {' and '.join(PACKAGES.values())}, and `{' '.join(argv)}` failed: {last}")


@contextmanager
def driver(program: str, folder: Path) -> Iterator[str]:
    """The address of a driver that listens on a free port of 127.0.0.1; nothing that it started outlives the context.

    What programs write beside their profile goes to `folder`, and to a temporary directory of their own.
    """
    # Not below `folder`: Chromium makes a socket there, and a socket's path holds 107 bytes.
    with tempfile.TemporaryDirectory(prefix="goldi-chromium-") as temporary:
        env = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        env |= {"HOME": str(folder), "TMPDIR": temporary}
        process = subprocess.Popen(
            (program, "--port=0"),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            assert process.stdout
            said = []
            for line in process.stdout:
                said.append(line)
                if found := re.search(r"started successfully on port (\d+)", line):
                    yield f"http://127.0.0.1:{found[1]}"
                    break
            else:
                raise NoBrowser(f"{program} ends at once: {''.join(said).strip()}")
        finally:
            end(process, f"TMPDIR={temporary}")


def end(process: "subprocess.Popen[str]", mark: str) -> None:
    """End a process that leads a session, every process of the session, and those with `mark` in their environment."""
    deadline = time.monotonic() + 10
    while found := alive(process.pid, mark):
        assert time.monotonic() < deadline, f"these do not end: {found}"
        for number in found:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        process.poll()
        time.sleep(0.02)
    process.wait()
    if process.stdout:
        process.stdout.close()


def alive(leader: int, mark: str) -> list[int]:
    """The processes of a session that have not ended, and those that left it: crash handlers do."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # PID (name) state parent group session ...; a name may hold anything.
            state, _, _, session = (process / "stat").read_text().rpartition(")")[2].split()[:4]
            member = session == str(leader) or mark.encode() in (process / "environ").read_bytes().split(b"\0")
            if member and state != "Z":
                found.append(int(process.name))
    return found
