"""What stands for a far machine: an engine in another network, reached by TLS, and its BuildKit by itself."""

import ctypes
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_NEW = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj")
# How dockerd gives its BuildKit to a client: the connection becomes HTTP/2, as gRPC is.
_BUILDKIT = b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"

Connect = Callable[[], socket.socket]


def keys(folder: Path) -> Path:
    """An authority and what it has signed: `server` (for 127.0.0.1), and `client` in a directory as docker wants it."""
    (folder / "client").mkdir(parents=True)
    openssl(folder, *_NEW, "/CN=the authority", "-x509", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl(folder, *_NEW, f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signer = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signer, "-out", f"{name}.pem")
    for source, name in (("ca.pem", "ca.pem"), ("client.pem", "cert.pem"), ("client.key", "key.pem")):
        (folder / "client" / name).write_bytes((folder / source).read_bytes())
    (folder / "client/key.pem").chmod(0o600)
    return folder


def openssl(folder: Path, *words: str) -> None:
    """Run openssl in `folder`."""
    subprocess.run(("openssl", *words), cwd=folder, check=True, capture_output=True)


def in_network(network: Path, port: int) -> Connect:
    """What connects to 127.0.0.1 in another network namespace."""
    return lambda: _elsewhere(network, lambda: socket.create_connection(("127.0.0.1", port), 10))


def _elsewhere(network: Path, connect: Connect) -> socket.socket:
    """A socket belongs to the network that its thread was in."""
    made: list[socket.socket] = []

    def enter() -> None:
        handle = os.open(network, os.O_RDONLY)
        assert ctypes.CDLL(None, use_errno=True).setns(handle, _CLONE_NEWNET) == 0
        os.close(handle)
        made.append(connect())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    return made[0]


def buildkit(path: Path) -> Connect:
    """What connects to the BuildKit of the engine whose socket is `path`."""

    def connect() -> socket.socket:
        link = socket.socket(socket.AF_UNIX)
        link.connect(str(path))
        link.sendall(_BUILDKIT)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += link.recv(1)
        assert b" 101 " in head, head
        return link

    return connect


@contextmanager
def relay(connect: Connect, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A port on 127.0.0.1 that leads to what `connect` gives; if `tls`, it takes that off."""
    joined: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, connect, tls, joined))
        thread.start()
        yield listener.getsockname()[1]
        # Else accept() would go on.
        listener.shutdown(socket.SHUT_RDWR)
        for one in (thread, *joined):
            one.join(10)


def server(folder: Path) -> ssl.SSLContext:
    """TLS of a server with the `keys` of a folder, which wants a client that has them, too."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.pem")
    tls.load_cert_chain(folder / "server.pem", folder / "server.key")
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.set_alpn_protocols(["h2"])
    return tls


def _serve(
    listener: socket.socket, connect: Connect, tls: ssl.SSLContext | None, joined: list[threading.Thread]
) -> None:
    with suppress(OSError):
        while True:
            near, _ = listener.accept()
            joined.append(threading.Thread(target=_join, args=(near, connect, tls)))
            joined[-1].start()


def _join(plain: socket.socket, connect: Connect, tls: ssl.SSLContext | None) -> None:
    with ExitStack() as opened:
        opened.enter_context(suppress(OSError))
        near = opened.enter_context(plain)
        if tls:
            near = opened.enter_context(tls.wrap_socket(near, server_side=True))
        far = opened.enter_context(connect())
        far.settimeout(None)
        back = threading.Thread(target=_pump, args=(far, near))
        back.start()
        _pump(near, far)
        back.join()


def _pump(source: socket.socket, to: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            to.sendall(data)
    for end in (source, to):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
