"""What stands between a company's machines and the world: an index, registries of npm and of images, and a proxy.

They want a login, and speak TLS with a certificate that only their own authority vouches for. They listen in a network
that has no other way out, and hand out what they get from where this machine gets it.
"""

import base64
import ctypes
import fcntl
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urljoin

USER = "baby-bear"
PASSWORD = "porridge/just right"  # noqa: S105 - of servers that live as long as a test
TOKEN = "token-of-the-three-bears"  # noqa: S105
REGISTRY_PASSWORD = "too-hot"  # noqa: S105
# As `htpasswd -B` writes it.
_BCRYPT = "$2y$05$iZH5cPoxC41pVGLbdSr14ey8eLoy6LWStbHItUjVQ/z7vIoYa.xPq"
_NEW = ("req", "-newkey", "rsa:2048", "-nodes", "-subj")


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclass
class Wall:
    """The servers; `asked` are the paths of answered requests, `refused` of those without the login."""

    folder: Path
    address: str = ""
    asked: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)

    @cached_property
    def authority(self) -> Path:
        """A PEM file to trust."""
        usage = ("-x509", "-days", "2", "-addext", "keyUsage=critical,keyCertSign")
        self._openssl(*_NEW, "/CN=the wall", *usage, "-keyout", "ca.key", "-out", "ca.pem")
        return self.folder / "ca.pem"

    @cached_property
    def certificate(self) -> Path:
        """What the authority vouches for, with its key, for the servers at `address`."""
        signer = ("-CA", self.authority.name, "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        (self.folder / "names").write_text(f"subjectAltName=IP:{self.address}\n")
        self._openssl(*_NEW, f"/CN={self.address}", "-keyout", "server.key", "-out", "server.csr")
        self._openssl("x509", "-req", "-in", "server.csr", *signer, "-out", "server.crt")
        both = (self.folder / "server.crt").read_text() + (self.folder / "server.key").read_text()
        (self.folder / "server.pem").write_text(both)
        return self.folder / "server.pem"

    def _openssl(self, *words: str) -> None:
        subprocess.run(("openssl", *words), cwd=self.folder, check=True, capture_output=True)

    def served(self, name: str) -> list[str]:
        """The paths that a server was asked for with its login."""
        return [path for server, _, path in (line.partition(" ") for line in self.asked) if server == name]


class _Handler(BaseHTTPRequestHandler):
    """Answers, if the login is right, with what `content` has for the path."""

    protocol_version = "HTTP/1.1"
    wall: ClassVar[Wall]
    name: ClassVar[str]
    header, challenge, login = "Authorization", 401, basic(USER, PASSWORD)

    def log_message(self, format: str, *words: object) -> None:
        """Not on the tests' output."""

    def allowed(self) -> bool:
        told = self.headers.get(self.header)
        (self.wall.asked if told == self.login else self.wall.refused).append(f"{self.name} {self.path}")
        if told != self.login:
            self.send_response(self.challenge)
            kind = "Proxy-Authenticate" if self.challenge == 407 else "WWW-Authenticate"
            self.send_header(kind, 'Basic realm="wall"')
            self.send_header("Content-Length", "0")
            self.end_headers()
        return told == self.login

    def do_GET(self) -> None:
        if not self.allowed():
            return
        try:
            status, kind, body = self.content(self.path)
        except OSError as error:
            status, kind, body = getattr(error, "code", 502), "text/plain", str(error).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the library's name

    def content(self, path: str) -> tuple[int, str, bytes]:
        raise NotImplementedError


def fetch(url: str, headers: dict[str, str] | None = None) -> tuple[int, str, bytes]:
    request = urllib.request.Request(url, headers=headers or {})  # noqa: S310 - of this machine's own configuration
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return answer.status, answer.headers.get("Content-Type", ""), answer.read()


class _Index(_Handler):
    """/simple/NAME/ as the real index has it, with links to /file/ADDRESS/NAME of its own."""

    name = "index"

    @cached_property
    def real(self) -> str:
        pip = (sys.executable, "-m", "pip", "config", "get", "global.index-url")
        told = subprocess.run(pip, capture_output=True, text=True, check=False).stdout.strip()
        ask = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
        usual = subprocess.run((sys.executable, "-c", ask), capture_output=True, text=True, check=False).stdout.strip()
        return (told or usual).rstrip("/")

    def content(self, path: str) -> tuple[int, str, bytes]:
        if path.startswith("/file/"):
            _, _, address, name = path.split("/", 3)
            suffix = ".metadata" if name.endswith(".metadata") else ""
            return fetch(bytes.fromhex(address).decode() + suffix)
        status, kind, body = fetch(self.real + path.removeprefix("/simple"), {"Accept": "text/html"})
        return status, kind, re.sub(rb'href="([^"#]+)', self._link, body)

    def _link(self, found: "re.Match[bytes]") -> bytes:
        address = urljoin(self.real + self.path.removeprefix("/simple"), found[1].decode())
        name = address.rpartition("/")[2]
        return f'href="/file/{address.encode().hex()}/{name}'.encode()


class _Npm(_Handler):
    """The real registry's packages, for a token."""

    name, login = "npm", f"Bearer {TOKEN}"

    @cached_property
    def real(self) -> str:
        npm = subprocess.run(("npm", "config", "get", "registry"), capture_output=True, text=True, check=True)
        return npm.stdout.strip().rstrip("/")

    def content(self, path: str) -> tuple[int, str, bytes]:
        status, kind, body = fetch(self.real + path)
        here = f"https://{self.wall.address}:{self.wall.ports['npm']}"
        return status, kind, body.replace(self.real.encode(), here.encode()) if "json" in kind else body


class _Proxy(_Handler):
    """Forwards plain requests and tunnels."""

    name, header, challenge = "proxy", "Proxy-Authorization", 407

    def content(self, path: str) -> tuple[int, str, bytes]:
        passed = {key: value for key, value in self.headers.items() if key in ("Range", "Accept")}
        return fetch(path, passed)

    def do_CONNECT(self) -> None:
        if not self.allowed():
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=30) as far:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_copy, args=(far, self.connection), daemon=True)
            back.start()
            _copy(self.connection, far)
            back.join(5)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def listener(network: Path, address: str) -> socket.socket:
    """A socket that listens in another network namespace; a thread of its own goes there and ends."""

    def listen() -> socket.socket:
        with network.open() as there:
            if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), 0):
                raise OSError(ctypes.get_errno(), "setns")
        return socket.create_server((address, 0))

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(listen).result()


@contextmanager
def wall(made: Wall, network: Path) -> Iterator[Wall]:
    """The servers, up in `network`; `ports` has index, npm and proxy."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(made.certificate)
    servers = []
    for kind in (_Index, _Npm, _Proxy):
        handler = type(kind.__name__, (kind,), {"wall": made})
        server = ThreadingHTTPServer((made.address, 0), handler, bind_and_activate=False)
        server.socket.close()
        server.socket = listener(network, made.address)
        made.ports[kind.name] = server.socket.getsockname()[1]
        if kind is not _Proxy:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
    try:
        yield made
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


@contextmanager
def registry(made: Wall, enter: tuple[str, ...] = (), port: int = 5000) -> Iterator[str]:
    """Debian's docker-registry with TLS and a login, started through `enter`; its address, once it answers.

    What it holds is in `made.folder / "registry/data"`.
    """
    assert made.certificate.is_file()
    folder = made.folder / "registry"
    folder.mkdir()
    program = docker_registry()
    (folder / "htpasswd").write_text(f"{USER}:{_BCRYPT}\n")
    address = f"{made.address}:{port}"
    config = f"""\
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http:
  addr: {address}
  tls: {{certificate: {made.folder}/server.crt, key: {made.folder}/server.key}}
auth: {{htpasswd: {{realm: wall, path: {folder}/htpasswd}}}}
"""
    (folder / "config.yml").write_text(config)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen((*enter, program, "serve", folder / "config.yml"), stdout=log, stderr=log)
        try:
            yield address
        finally:
            process.terminate()
            process.wait(10)


def docker_registry() -> str:
    """The program: the machine's own, or the package's."""
    return shutil.which("docker-registry") or _unpacked()


def _unpacked() -> str:
    """Debian's package, unpacked once for all tests of a session; the machine's own lists may be empty, and stay so."""
    folder = Path(tempfile.gettempdir(), f"goldi-test-docker-registry-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    program = folder / "usr/bin/docker-registry"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.is_file():
            shutil.rmtree(folder / "new", ignore_errors=True)
            (folder / "new/lists/partial").mkdir(parents=True)
            for words in (("update",), ("download", "docker-registry")):
                apt = ("apt-get", "-o", f"Dir::State::lists={folder}/new/lists", *words)
                subprocess.run(apt, cwd=folder / "new", check=True, capture_output=True)
            (deb,) = (folder / "new").glob("*.deb")
            subprocess.run(("dpkg-deb", "--extract", deb, folder / "new"), check=True)
            program.parent.mkdir(parents=True, exist_ok=True)
            (folder / "new/usr/bin/docker-registry").rename(program)
            shutil.rmtree(folder / "new")
    return str(program)
