"""Run `goldi`, `inv` and `nox` in forks of a process that has imported them: most of a small task is Python's start.

    python -m tests.forked     # serves the socket that is its standard input

What a fork does is what the program does: its arguments, environment, directory, streams and exit code are its own, and
nothing of goldi_tasks has run before. Tests of the start itself start the command.
"""

import atexit
import importlib
import json
import operator
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import goldi_tasks

REPOSITORY = Path(__file__).parents[1]
# What their scripts in an environment's bin directory call.
PROGRAMS = {"goldi": ("goldi_tasks.cli", "main"), "inv": ("invoke.main", "program.run"), "nox": ("nox", "main")}
# Bytes of a request; an environment and its arguments are some kilobytes.
LIMIT = 1 << 20


class Forks:
    """The server's other end. One request at a time; it ends when this process does."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LIMIT)
        with theirs:
            argv = (sys.executable, "-m", "tests.forked")
            self.server = subprocess.Popen(argv, cwd=REPOSITORY, stdin=theirs.fileno())

    def run(
        self, argv: list[str], cwd: Path, env: Mapping[str, str], *, timeout: float = 30.0, together: bool = False
    ) -> "subprocess.CompletedProcess[str]":
        """Run `argv`, whose first word is the path of one of PROGRAMS. Raises TimeoutError after `timeout` seconds.

        With `together` what goes to standard error is in standard output.
        """
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            request = json.dumps({"argv": argv, "cwd": str(cwd), "env": dict(env)}).encode()
            socket.send_fds(self.socket, [request], [out.fileno(), (out if together else err).fileno()])
            self.socket.settimeout(timeout)
            code = int(self.socket.recv(LIMIT))
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode("utf-8").replace("\r\n", "\n"))
        return subprocess.CompletedProcess(argv, code, *texts)

    def close(self) -> None:
        self.socket.close()
        self.server.wait()


@cache
def server() -> Forks:
    """The one of this process, which ends with it."""
    forks = Forks()
    atexit.register(forks.close)
    return forks


def serve(requests: socket.socket) -> None:
    """Fork for each request, wait, and send the exit code back, as subprocess gives it."""
    while True:
        text, (out, err), _, _ = socket.recv_fds(requests, LIMIT, 2)
        request = json.loads(text)
        child = os.fork()
        if not child:
            become(request, out, err)
        os.close(out)
        os.close(err)
        _, status = os.waitpid(child, 0)
        requests.send(str(os.waitstatus_to_exitcode(status)).encode())


def become(request: Mapping[str, Any], out: int, err: int) -> None:
    """Be the program, in a fork."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for handle, number in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (err, 2)):
        os.dup2(handle, number)
        os.close(handle)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    tempfile.tempdir = None
    sys.argv[:] = request["argv"]
    # As of a script: not the directory that `python -m` was started in.
    sys.path[0] = str(Path(sys.argv[0]).parent)
    module, function = PROGRAMS[Path(sys.argv[0]).name]
    code: Any = 0
    try:
        code = operator.attrgetter(function)(importlib.import_module(module))()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    # What Python does at its end.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = 120
    sys.stderr.flush()
    os._exit(int(code or 0))


def prepare() -> None:
    """Import what the programs may import."""
    from goldi_tasks import cli

    with cli._without_mocks():
        importlib.import_module("invoke.program")
    for module in pkgutil.walk_packages(goldi_tasks.__path__, "goldi_tasks."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("invoke.main", "nox", "rich.live", "rich.table"):
        importlib.import_module(name)


if __name__ == "__main__":
    prepare()
    with socket.socket(fileno=os.dup(0)) as ours:
        try:
            serve(ours)
        except (ValueError, EOFError):
            # The other end is closed.
            sys.exit(0)
