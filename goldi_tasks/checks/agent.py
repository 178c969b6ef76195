"""Run checks for callers on the same machine, as the main process of a tools container; end when idle.

It uses only the standard library of the image's Python: `python3 -I agent.py IDLE ALIVE SOCKET`. A caller connects to
SOCKET and sends one line of JSON with its standard input, output and error output as descriptors. The answer is
`started`, then the exit code, or else one of: `unknown` (no such program), `offline` (the image has no
scripts/online.sh), `refused` (the system does not start the program), `blind` (the descriptors did not arrive, which a
security module may prevent). The check is ended when the caller sends anything more or closes the connection.
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

# Each check holds a shared lock on it, those of `docker exec` (job.sh) too; processes that it leaves running keep it.
BUSY = Path("/tmp/.goldi/busy")
# Sets the variables of the noxfile's `env`, then runs the check.
RUN_WITH_ENV = str(Path(__file__).with_name("run-with-env.sh"))
# Seconds that a check gets to end after each signal.
GRACE = ((signal.SIGINT, 0.5), (signal.SIGTERM, 0.2), (signal.SIGKILL, 0.2))


def main(idle: int, alive_path: str, socket_path: str) -> None:
    """Serve until no check has run for `idle` seconds, after SIGUSR1 until none runs; lock `alive_path` meanwhile."""

    def retire(*_: object) -> None:
        nonlocal idle
        idle = 0
        # A connection wakes the loop below.
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(socket_path)

    for directory in (Path(os.environ["HOME"]), BUSY.parent):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    Path(socket_path).unlink(missing_ok=True)
    with BUSY.open("ab") as busy, Path(alive_path).open("ab") as alive_file, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(socket_path)
        listener.listen(64)
        os.utime(BUSY)
        signal.signal(signal.SIGUSR1, retire)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        fcntl.flock(alive_file, fcntl.LOCK_EX)
        while not (time.time() - BUSY.stat().st_mtime >= idle and is_idle(busy.fileno())):
            listener.settimeout(min(30, idle // 4 + 1))
            with suppress(TimeoutError):
                connection = listener.accept()[0]
                threading.Thread(target=serve, args=(connection,), daemon=True).start()


def is_idle(handle: int) -> bool:
    """Return whether no check runs; if so, the lock is kept and no check can start any more."""
    with suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def serve(connection: socket.socket) -> None:
    """Run the check of one caller and send the result."""
    with connection, suppress(OSError):
        line, handles = receive_request(connection)
        try:
            report = run(connection, json.loads(line), handles) if line and len(handles) == 3 else "blind"
        finally:
            for handle in handles:
                os.close(handle)
        connection.sendall(f"{report}\n".encode())


def receive_request(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Return the caller's line and the descriptors that it sent; b"" if the line is incomplete."""
    line, handles, _, _ = socket.recv_fds(connection, 65536, 3)
    while line and not line.endswith(b"\n"):
        data = connection.recv(65536)
        line = line + data if data else b""
    return line, handles


def run(connection: socket.socket, request: dict[str, Any], handles: list[int]) -> str:
    """Run the check, and end it if its caller disconnects. Return the exit code or a word of the protocol."""
    job_id = uuid.uuid4().hex
    environment = {**os.environ, **request["env"], "GOLDI_JOB": job_id}
    if not shutil.which("online"):
        return "offline"
    if not has_program(request["argv"][0], environment, request["cwd"]):
        return "unknown"
    with BUSY.open("ab") as busy:
        fcntl.flock(busy, fcntl.LOCK_SH)
        os.utime(BUSY)
        connection.sendall(b"started\n")
        try:
            child = subprocess.Popen(
                ["online", "sh", RUN_WITH_ENV, *request["argv"]],
                cwd=request["cwd"],
                env=environment,
                stdin=handles[0],
                stdout=handles[1],
                stderr=handles[2],
                pass_fds=(busy.fileno(),),
                start_new_session=True,
            )
        except OSError:
            return "refused"
        is_done, cleaned_up = threading.Event(), threading.Event()
        threading.Thread(target=watch, args=(connection, job_id, is_done, cleaned_up), daemon=True).start()
        exit_code = child.wait()
        is_done.set()
        # Wakes `watch`, which waits in recv.
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RD)
        cleaned_up.wait()
        os.utime(BUSY)
    return str(exit_code if exit_code >= 0 else 128 - exit_code)


def has_program(program: str, environment: dict[str, str], directory: str) -> bool:
    """Return whether `program` exists; a noxfile may set PATH or name a program relative to `directory`."""
    if shutil.which(program):
        return True
    script = 'GOLDI_PROGRAM=$1 && eval "${GOLDI_ENV:-}" && command -v -- "$GOLDI_PROGRAM"'
    try:
        completed = subprocess.run(
            ["sh", "-c", script, "sh", program], cwd=directory, env=environment, stdout=subprocess.DEVNULL, check=False
        )
    except OSError:
        # Starting the check fails for the same reason, and is reported then.
        return True
    return completed.returncode == 0


def watch(connection: socket.socket, job_id: str, is_done: threading.Event, cleaned_up: threading.Event) -> None:
    """End the check when its caller sends a byte or disconnects; once it has ended, its background processes stay."""
    with suppress(OSError):
        connection.recv(1)
    for signal_number, seconds in () if is_done.is_set() else GRACE:
        deadline = time.monotonic() + seconds
        for pid in processes(job_id):
            with suppress(ProcessLookupError):
                os.kill(pid, signal_number)
        while processes(job_id) and time.monotonic() < deadline:
            time.sleep(0.02)
    cleaned_up.set()


def processes(job_id: str) -> list[int]:
    """Return the pids of a check's processes, also of those in other sessions."""
    pids = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"GOLDI_JOB={job_id}".encode() in file.read_bytes().split(b"\0"):
                pids.append(int(file.parent.name))
    return pids


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
