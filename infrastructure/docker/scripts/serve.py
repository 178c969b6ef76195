"""Serve an ASGI app, and serve it anew when a file of its package is saved: for development.

    python serve.py MODULE:APP [PORT]

uvicorn's own `--reload` starts an interpreter for every change, and that imports all libraries again: about a second
with a database. Here they are imported once, in a process that does nothing else, and what serves is a fork of it that
imports the package. The port stays open meanwhile: a request waits and is not refused.

While the app does not start, each request gets a page with the traceback, and the last line of the log that begins with
`serve: ` begins with `serve: error: `: `compose.up` reads that. A server that dies is started again, at once the first
time, and later ever more seldom.
"""

import importlib
import logging
import os
import re
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.importer import import_from_string

# Seconds between two looks at the files, and that requests at hand get when it is somebody else's turn.
LOOK, GRACE = 0.05, 2
# A server that has run for so many seconds is no part of a loop of crashes; the longest wait in such a loop.
STEADY, LONGEST = 5, 30
# What a server reports fits into a pipe. Exit codes of one whose app cannot be imported, or refuses to start.
REPORT, NOT_IMPORTED, NOT_STARTED = 32768, 1, 3
PLACE = re.compile(r'\s+File "(.+)", line (\d+)')
SECRET = re.compile(r"pass|secret|token|key|credential|dsn|url", re.I)
STOPS = (signal.SIGTERM, signal.SIGINT)


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


def forget(package: str) -> None:
    """Have the package imported anew."""
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def can_import(module: str) -> bool:
    """Import a module and what it needs; a server that cannot do that says why."""
    forget(module.partition(".")[0])
    with suppress(Exception, SystemExit):
        importlib.import_module(module)
        return True
    return False


def trace(error: BaseException) -> str:
    """The traceback of an error, from the first file of the app's on."""
    where = error.__traceback__
    while where and not where.tb_frame.f_code.co_filename.startswith(f"{Path.cwd()}{os.sep}"):
        where = where.tb_next
    if not where and not isinstance(error, SyntaxError):
        where = error.__traceback__
    return "".join(traceback.format_exception(type(error), error, where))


def summary(text: str) -> str:
    """The error that a traceback ends with, and the last of the app's own lines that it passed through."""
    lines = text.splitlines()
    places = [(number, place) for number, line in enumerate(lines) if (place := PLACE.match(line))]
    after = lines[places[-1][0] + 1 :] if places else lines
    said = next((line for line in after if line[:1].strip()), lines[-1].strip() if lines else "")
    own = [place for _, place in places if place[1].startswith(f"{Path.cwd()}{os.sep}")]
    where = f" ({os.path.relpath(own[-1][1])}, line {own[-1][2]})" if own else ""
    return said + where


def masked(text: str) -> str:
    """The text without what the environment keeps secret: an error may quote it."""
    secrets = {value for name, value in os.environ.items() if len(value) > 3 and SECRET.search(name)}
    for value in sorted(secrets, key=len, reverse=True):
        text = text.replace(value, "***")
    return re.sub(r"(://[^/@\s:]*:)[^/\s]+@", r"\1***@", text)


class Errors(logging.Handler):
    """What uvicorn writes of errors."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.texts.append(self.format(record))


def serve_app(app: str, listener: socket.socket) -> tuple[int, str]:
    """Serve until a signal comes; an exit code, and why the app did not start."""
    forget(app.partition(":")[0].partition(".")[0])
    config, errors = uvicorn.Config(app, timeout_graceful_shutdown=GRACE), Errors()
    try:
        import_from_string(app)
    except (Exception, SystemExit) as error:
        text = trace(error)
        sys.stderr.write(text)
        return NOT_IMPORTED, text
    logging.getLogger("uvicorn.error").addHandler(errors)
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[listener])
    except SystemExit:
        # Newer ones end so if the app refuses to start.
        if server.started:
            raise
    return (0, "") if server.started else (NOT_STARTED, "\n".join(errors.texts))


def serve_page(text: str, listener: socket.socket) -> tuple[int, str]:
    """Answer every request with the text and 500, until a signal comes."""
    body = text.encode()
    kind = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
    headers = [*kind, (b"cache-control", b"no-store"), (b"content-length", str(len(body)).encode())]

    async def answer(scope: dict[str, Any], _: object, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        await send({"type": "http.response.start", "status": 500, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    # What it has to say is the last line of the log.
    config = uvicorn.Config(answer, lifespan="off", log_level="error", access_log=False, timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])
    return 0, ""


@dataclass
class Server:
    """A process that serves, what it reports to, and since when it runs. A page stands in for the app."""

    process: int
    reports: int
    is_page: bool
    since: float = field(default_factory=time.monotonic)
    code: int | None = None

    @classmethod
    def start(cls, serve: Callable[[], tuple[int, str]], *, is_page: bool = False) -> "Server":
        """Fork what serves."""
        sys.stdout.flush()
        reports, report = os.pipe()
        # Until the fork has handlers of its own, ours would run in it.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        process = os.fork()
        if not process:
            code, text = 0, ""
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
                code, text = serve()
                sys.stdout.flush()
            except KeyboardInterrupt:
                pass
            except SystemExit as error:
                code = error.code if isinstance(error.code, int) else 1
            except BaseException as error:
                traceback.print_exc()
                code, text = NOT_STARTED, trace(error)
            finally:
                os.write(report, text.encode(errors="replace")[-REPORT:])
                os._exit(code)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        os.close(report)
        os.set_blocking(reports, False)
        return cls(process, reports, is_page)

    def ended(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        if self.code is None:
            process, status = os.waitpid(self.process, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if process else None
        return self.code

    def close(self) -> None:
        """Let go of what only its report is for."""
        os.close(self.reports)

    def report(self) -> str:
        """Why it did not start."""
        try:
            return os.read(self.reports, REPORT).decode(errors="replace")
        except BlockingIOError:
            # A process that the app has left behind holds the other end.
            return ""


class Supervisor:
    """Has the app served by one process, or a page by one while the app does not start."""

    def __init__(self, app: str, listener: socket.socket, imported: bool) -> None:
        self.app, self.listener, self.imported = app, listener, imported
        self.module = app.partition(":")[0]
        self.package = self.module.partition(".")[0]
        self.crashes, self.again = 0, float("inf")
        # Those that finish what they have begun, and when they are ended.
        self.ending: list[tuple[Server, float]] = []
        self.seen = files(self.package)
        self.server = self._app()

    def look(self) -> None:
        """Do what there is to do now."""
        now = files(self.package)
        if now != self.seen:
            changed = sorted(path for path in {*now, *self.seen} if now.get(path) != self.seen.get(path))
            print(f"serve: {', '.join(changed)} changed", flush=True)
            self.seen, self.crashes = now, 0
            # What the libraries take is taken once.
            self.imported = self.imported or can_import(self.module)
            self._replace(self._app())
        elif time.monotonic() > self.again:
            print(f"serve: {self.app} is started again", flush=True)
            self._replace(self._app())
        elif (code := self.server.ended()) is not None:
            self._ended(code)
        self.ending = [(server, until) for server, until in self.ending if not _is_over(server, until)]

    def stop(self) -> None:
        """End all, and wait until they have ended."""
        self._end(self.server)
        while self.ending:
            time.sleep(LOOK / 5)
            self.ending = [(server, until) for server, until in self.ending if not _is_over(server, until)]

    def _app(self) -> Server:
        self.again = float("inf")
        return Server.start(lambda: serve_app(self.app, self.listener))

    def _page(self, text: str) -> Server:
        return Server.start(lambda: serve_page(text, self.listener), is_page=True)

    def _replace(self, server: Server) -> None:
        """The new one imports while the old one finishes."""
        before, self.server = self.server, server
        self._end(before)

    def _end(self, server: Server) -> None:
        if server.ended() is None:
            os.kill(server.process, signal.SIGTERM)
        self.ending.append((server, time.monotonic() + GRACE + 1))

    def _ended(self, code: int) -> None:
        """Start what serves in the place of one that ended unasked; there is no time in which nothing answers."""
        lived, text = time.monotonic() - self.server.since, masked(self.server.report())
        self.server.close()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if self.server.is_page and lived < 1:
            sys.exit(f"serve: what answers for {self.app} {how}")
        if lived > STEADY:
            self.crashes = 0
        if not text and not self.crashes:
            print(f"serve: {self.app} {how} and is started again", flush=True)
            self.server = self._app()
        else:
            # What cannot be imported waits for a file that is saved.
            if not text or code != NOT_IMPORTED:
                self.again = time.monotonic() + min(2**self.crashes, LONGEST)
            text = text or f"{self.app} {how}, soon after its start"
            print(f"serve: error: {summary(text)}", flush=True)
            self.server = self._page(f"{summary(text)}\n\n{text}\n")
        self.crashes += 1


def _is_over(server: Server, until: float) -> bool:
    """Whether it has ended; after its time it is ended."""
    if server.ended() is not None:
        server.close()
        return True
    if time.monotonic() > until:
        os.kill(server.process, signal.SIGKILL)
    return False


def main(app: str, port: str = "8000") -> None:
    """Serve until SIGTERM or Ctrl-C."""
    sys.path.insert(0, str(Path.cwd()))
    imported = can_import(app.partition(":")[0])

    stopped = threading.Event()
    for number in STOPS:
        signal.signal(number, lambda *_: stopped.set())
    # "0.0.0.0": the container's, whose ports the engine publishes.
    with socket.create_server(("0.0.0.0", int(port)), backlog=2048) as listener:  # noqa: S104
        supervisor = Supervisor(app, listener, imported)
        try:
            while not stopped.wait(LOOK):
                supervisor.look()
        finally:
            supervisor.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
