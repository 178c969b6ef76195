"""The main process of a tools container: runs checks that a caller on the same machine hands over, and ends when idle.

It runs alone in the container, by whatever Python is there: `python3 -I agent.py IDLE ALIVE SOCKET`. A caller connects
to SOCKET and sends one line of JSON with his own input, output and error output as descriptors; he is told `started`,
then the exit code. What he hears instead is `unknown` where there is no such program, `offline` where the image has no
scripts/online.sh, `refused` where the system does not start it, and `blind` where his descriptors do not arrive, which
is for a security module to decide. If he says anything more, or goes, the check is ended.
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

# Checks that docker runs (job.sh) hold a lock on it too, and so does all that a check leaves running.
BUSY = Path("/tmp/.goldi/busy")
# Gives a check the variables that its noxfile names.
RUN_WITH_ENV = str(Path(__file__).with_name("run-with-env.sh"))
# Seconds that a check gets after SIGINT, and after SIGTERM.
GRACE = ((signal.SIGINT, 0.5), (signal.SIGTERM, 0.2), (signal.SIGKILL, 0.2))


def main(idle: int, alive: str, place: str) -> None:
    """Serve until nobody has come for `idle` seconds, or since SIGUSR1; ALIVE is locked as long as this lives."""

    def retire(*_: object) -> None:
        nonlocal idle
        idle = 0
        # Somebody has to come, for the loop to see it.
        with socket.socket(socket.AF_UNIX) as nobody:
            nobody.connect(place)

    for folder in (Path(os.environ["HOME"]), BUSY.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    Path(place).unlink(missing_ok=True)
    with BUSY.open("ab") as busy, Path(alive).open("ab") as sign, socket.socket(socket.AF_UNIX) as server:
        server.bind(place)
        server.listen(64)
        os.utime(BUSY)
        signal.signal(signal.SIGUSR1, retire)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        fcntl.flock(sign, fcntl.LOCK_EX)
        while not (time.time() - BUSY.stat().st_mtime >= idle and free(busy.fileno())):
            server.settimeout(min(30, idle // 4 + 1))
            with suppress(TimeoutError):
                connection = server.accept()[0]
                threading.Thread(target=serve, args=(connection,), daemon=True).start()


def free(handle: int) -> bool:
    """Whether nothing runs; then nothing can begin any more."""
    with suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def serve(connection: socket.socket) -> None:
    """Run the check of one caller."""
    with connection, suppress(OSError):
        line, handles = hear(connection)
        try:
            answer = run(connection, json.loads(line), handles) if line and len(handles) == 3 else "blind"
        finally:
            for handle in handles:
                os.close(handle)
        connection.sendall(f"{answer}\n".encode())


def hear(connection: socket.socket) -> tuple[bytes, list[int]]:
    """The caller's line, and the descriptors that came with it."""
    line, handles, _, _ = socket.recv_fds(connection, 65536, 3)
    while line and not line.endswith(b"\n"):
        more = connection.recv(65536)
        line = line + more if more else b""
    return line, handles


def run(connection: socket.socket, asked: dict[str, Any], handles: list[int]) -> str:
    """Start the check, wait for it, and see to it that it ends when its caller goes; its exit code."""
    mark = uuid.uuid4().hex
    environment = {**os.environ, **asked["env"], "GOLDI_JOB": mark}
    if not shutil.which("online"):
        return "offline"
    if not known(asked["argv"][0], environment, asked["cwd"]):
        return "unknown"
    with BUSY.open("ab") as busy:
        fcntl.flock(busy, fcntl.LOCK_SH)
        os.utime(BUSY)
        connection.sendall(b"started\n")
        try:
            child = subprocess.Popen(
                ["online", "sh", RUN_WITH_ENV, *asked["argv"]],
                cwd=asked["cwd"],
                env=environment,
                stdin=handles[0],
                stdout=handles[1],
                stderr=handles[2],
                pass_fds=(busy.fileno(),),
                start_new_session=True,
            )
        except OSError:
            return "refused"
        over, ended = threading.Event(), threading.Event()
        threading.Thread(target=watch, args=(connection, mark, over, ended), daemon=True).start()
        code = child.wait()
        over.set()
        # What `watch` waits for now comes.
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RD)
        ended.wait()
        os.utime(BUSY)
    return str(code if code >= 0 else 128 - code)


def known(program: str, environment: dict[str, str], folder: str) -> bool:
    """Whether there is such a program; a noxfile may name a PATH, and programs below the directory it runs in."""
    if shutil.which(program):
        return True
    line = 'GOLDI_PROGRAM=$1 && eval "${GOLDI_ENV:-}" && command -v -- "$GOLDI_PROGRAM"'
    try:
        asked = subprocess.run(
            ["sh", "-c", line, "sh", program], cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=False
        )
    except OSError:
        # Starting it will fail too, and is told.
        return True
    return asked.returncode == 0


def watch(connection: socket.socket, mark: str, over: threading.Event, ended: threading.Event) -> None:
    """End the check when its caller says so or is gone; when it is over, leave what it has left running."""
    with suppress(OSError):
        connection.recv(1)
    for number, seconds in () if over.is_set() else GRACE:
        deadline = time.monotonic() + seconds
        for pid in processes(mark):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        while processes(mark) and time.monotonic() < deadline:
            time.sleep(0.02)
    ended.set()


def processes(mark: str) -> list[int]:
    """Those of a check, in sessions of their own too."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"GOLDI_JOB={mark}".encode() in file.read_bytes().split(b"\0"):
                found.append(int(file.parent.name))
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
