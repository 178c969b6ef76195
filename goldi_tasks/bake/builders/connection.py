"""Why a BuildKit at an address does not answer: buildx says nothing of it, and tries on for minutes."""

import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from goldi_tasks.bake.builders import builder_model
from goldi_tasks.bake.builders.builder_model import Builder

# Seconds.
_WITHIN = 5.0
# How a client of HTTP/2 begins, which gRPC is: its preface and an empty SETTINGS frame (RFC 9113, 3.4).
_BEGIN = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))


def refusal(builder: Builder) -> str:
    """What keeps this machine from `builder`, "" if that is not known: only remote's tcp and unix are tried."""
    if builder.driver != "remote" or builder.scheme not in ("tcp", "unix"):
        return ""
    try:
        return "" if _first_byte(builder) else "it ends the connection"
    except TimeoutError:
        return f"no answer within {_WITHIN:g} s"
    except OSError as error:
        if "EOF occurred" in str(error):
            # So a server may refuse us before it comes to say why.
            return "it ends the connection, perhaps over the client's certificate"
        # Of the TLS library, of the look-up of names, of the system.
        reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or error.strerror or str(error)
        return str(reason).lower().replace("_", " ")


def _first_byte(builder: Builder) -> bytes:
    parts = urlsplit(builder.endpoint)
    with ExitStack() as opened:
        if builder.scheme == "unix":
            link = opened.enter_context(socket.socket(socket.AF_UNIX))
            link.settimeout(_WITHIN)
            link.connect(parts.path)
        else:
            link = opened.enter_context(socket.create_connection((parts.hostname or "", parts.port or 0), _WITHIN))
        if builder.certificates:
            link = opened.enter_context(_encrypted(builder, link, parts.hostname or ""))
        link.sendall(_BEGIN)
        # A server that wants another certificate of the client says so only here (TLS 1.3).
        return link.recv(1)


def _encrypted(builder: Builder, link: socket.socket, host: str) -> socket.socket:
    import ssl  # 20 ms that only TLS has a use for

    folder = Path(builder.certificates)
    context = ssl.create_default_context(cafile=folder / builder_model.CA)
    context.load_cert_chain(folder / builder_model.CERT, folder / builder_model.KEY)
    context.set_alpn_protocols(["h2"])
    return context.wrap_socket(link, server_hostname=dict(builder.options).get("servername", host))
