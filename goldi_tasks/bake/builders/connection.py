"""Find out why a BuildKit at an address does not answer; buildx only retries for minutes, without a reason."""

import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from goldi_tasks.bake.builders import builder_model
from goldi_tasks.bake.builders.builder_model import Builder

# Seconds.
_TIMEOUT = 5.0
# The first bytes of a gRPC client: the preface of HTTP/2 and an empty SETTINGS frame (RFC 9113, 3.4).
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))


def refusal(builder: Builder) -> str:
    """Return why `builder` cannot be reached; "" if it can, or if it is not a remote builder at tcp:// or unix://."""
    if builder.driver != "remote" or builder.scheme not in ("tcp", "unix"):
        return ""
    try:
        return "" if _read_first_byte(builder) else "it closes the connection"
    except TimeoutError:
        return f"no answer within {_TIMEOUT:g} s"
    except OSError as error:
        if "EOF occurred" in str(error):
            return "it closes the connection, perhaps because of the client's certificate"
        # The message of the TLS library, of name resolution, or of the system.
        reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or error.strerror or str(error)
        return str(reason).lower().replace("_", " ")


def _read_first_byte(builder: Builder) -> bytes:
    parts = urlsplit(builder.endpoint)
    with ExitStack() as stack:
        if builder.scheme == "unix":
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.settimeout(_TIMEOUT)
            connection.connect(parts.path)
        else:
            connection = stack.enter_context(
                socket.create_connection((parts.hostname or "", parts.port or 0), _TIMEOUT)
            )
        if builder.certificates:
            connection = stack.enter_context(_wrap_tls(builder, connection, parts.hostname or ""))
        connection.sendall(_PREFACE)
        # With TLS 1.3 a server refuses the client's certificate only here.
        return connection.recv(1)


def _wrap_tls(builder: Builder, connection: socket.socket, host: str) -> socket.socket:
    import ssl  # takes 20 ms, and only TLS needs it

    folder = Path(builder.certificates)
    context = ssl.create_default_context(cafile=folder / builder_model.CA)
    context.load_cert_chain(folder / builder_model.CERT, folder / builder_model.KEY)
    context.set_alpn_protocols(["h2"])
    return context.wrap_socket(connection, server_hostname=dict(builder.options).get("servername", host))
