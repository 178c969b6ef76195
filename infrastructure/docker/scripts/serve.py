"""Serve an ASGI app, and serve it anew when a file of its package is saved: for development.

    python serve.py MODULE:APP [PORT]

uvicorn's own `--reload` starts an interpreter for every change, and that imports all libraries again: about a second
with a database. Here they are imported once, in a process that does nothing else, and what serves is a fork of it that
imports the package. The port stays open meanwhile: a request waits and is not refused.
"""

import importlib
import os
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

import uvicorn

# Seconds between two looks at the files, and that requests at hand get when it is somebody else's turn.
LOOK, GRACE = 0.05, 2


def files(package: str) -> dict[str, int]:
    """The package's files in the current directory, by when they were saved."""
    found = {}
    for folder, _, names in os.walk(package):
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(folder, name)  # noqa: PTH118 - twenty times a second
                try:
                    found[path] = os.stat(path).st_mtime_ns  # noqa: PTH116
                except FileNotFoundError:
                    continue
    return found


def start(app: str, package: str, listener: socket.socket) -> int:
    """Fork what serves; its process."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # It came with the libraries, and is older than they are.
        for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        uvicorn.Server(uvicorn.Config(app, timeout_graceful_shutdown=GRACE)).run(sockets=[listener])
    except BaseException as error:
        if not isinstance(error, KeyboardInterrupt | SystemExit) or getattr(error, "code", None):
            traceback.print_exc()
    os._exit(1)


def end(process: int) -> None:
    """Let it finish its requests, and wait for it."""
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(process, signal.SIGTERM)
        os.waitpid(process, 0)


def main(app: str, port: str = "8000") -> None:
    """Serve until SIGTERM or Ctrl-C."""
    module = app.partition(":")[0]
    package = module.partition(".")[0]
    sys.path.insert(0, str(Path.cwd()))
    # If that fails, what serves says why, and a file that is saved mends it.
    with suppress(BaseException):
        importlib.import_module(module)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    # "0.0.0.0": the container's, whose ports the engine publishes.
    with socket.create_server(("0.0.0.0", int(port)), backlog=2048) as listener:  # noqa: S104
        seen, process = files(package), start(app, package, listener)
        try:
            while True:
                time.sleep(LOOK)
                now = files(package)
                if now != seen:
                    changed = sorted(path for path in {*now, *seen} if now.get(path) != seen.get(path))
                    print(f"serve: {', '.join(changed)} changed", flush=True)
                    seen, before = now, process
                    # The new one imports while the old one finishes.
                    process = start(app, package, listener)
                    end(before)
        except KeyboardInterrupt:
            end(process)


if __name__ == "__main__":
    main(*sys.argv[1:])
