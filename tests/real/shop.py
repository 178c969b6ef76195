"""An image registry on 127.0.0.1, plain or with a login, and a relay before it that has its moods."""

import http.client
import json
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from tests.real.wall import docker_registry

# What a server of Go's says to TLS: with it an engine tries plain http where it may, as on 127.0.0.1.
_NO_TLS = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
# As registries say it: newer clients show this, and no status.
_REASONS = {
    403: b'{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}',
    429: b'{"errors":[{"code":"TOOMANYREQUESTS","message":"too many requests"}]}',
}
_ACCEPT = "application/vnd.oci.image.index.v1+json,application/vnd.oci.image.manifest.v1+json"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def registry(folder: Path, *, port: int = 0, auth: str = "", enter: tuple[str, ...] = ()) -> Iterator[str]:
    """Debian's docker-registry over what is in `folder`, started through `enter`; its address, once it answers."""
    folder.mkdir(exist_ok=True)
    address = f"127.0.0.1:{port or free_port()}"
    config = folder / f"config-{len(enter)}.yml"
    storage = f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}"
    config.write_text(f"version: 0.1\nlog: {{level: error}}\n{storage}\nhttp: {{addr: '{address}'}}\n{auth}")
    with (folder / "log").open("a") as log:
        argv = (*enter, docker_registry(), "serve", str(config))
        process = subprocess.Popen(argv, stdout=log, stderr=log)
        try:
            for _ in range(100):
                if _answers(address, enter):
                    break
                time.sleep(0.1)
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def _answers(address: str, enter: tuple[str, ...]) -> bool:
    host, _, port = address.partition(":")
    ask = f"import socket; socket.create_connection(('{host}', {port}), 1)"
    return subprocess.run((*enter, "python3", "-c", ask), capture_output=True, check=False).returncode == 0


def asked(address: str, path: str) -> Any:
    """What the registry has at `path` below /v2/, as JSON."""
    request = urllib.request.Request(f"http://{address}/v2/{path}", headers={"Accept": _ACCEPT})
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.loads(answer.read())


def stored(folder: Path) -> int:
    """Bytes of the blobs that a registry over `folder` keeps."""
    return sum(file.stat().st_size for file in folder.rglob("blobs/sha256/*/*/data"))


@dataclass
class Relay:
    """What asks gets the `mood` as an answer, while that is a status; else what the registry behind says.

    `tempers` is after how many such answers it is in a good mood again.
    """

    behind: str
    mood: int = 0
    tempers: int = 10**9
    address: str = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    made: ClassVar[Relay]

    def handle(self) -> None:
        with suppress(ConnectionError):
            if self.connection.recv(1, socket.MSG_PEEK) == b"\x16":
                self.connection.recv(65536)
                self.connection.sendall(_NO_TLS)
                return
            super().handle()

    def log_message(self, format: str, *words: object) -> None:
        """Not on the tests' output."""

    def answer(self) -> None:
        chunked = self.headers.get("Transfer-Encoding") == "chunked"
        body = self.chunks() if chunked else self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.made.mood and self.made.tempers:
            self.made.tempers -= 1
            self.say(self.made.mood, [("Content-Type", "application/json")], _REASONS[self.made.mood])
            return
        behind = http.client.HTTPConnection(self.made.behind, timeout=60)
        behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, text in self.headers.items():
            if name.lower() not in ("transfer-encoding", "content-length"):
                behind.putheader(name, text)
        behind.putheader("Content-Length", str(len(body)))
        behind.endheaders(body)
        got = behind.getresponse()
        left = ("transfer-encoding", "connection", "date")
        self.say(got.status, [pair for pair in got.getheaders() if pair[0].lower() not in left], got.read())
        behind.close()

    def chunks(self) -> bytes:
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def say(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, text in headers:
            self.send_header(name, text)
        if "content-length" not in {name.lower() for name, _ in headers} and status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = answer  # noqa: N815 - the library's names


@contextmanager
def relay(made: Relay) -> Iterator[Relay]:
    """The relay, up; its `address` is known then."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"made": made}))
    made.address = f"127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
