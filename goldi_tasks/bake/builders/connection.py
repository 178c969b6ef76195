"""Check the certificates of a remote builder, and find out why it does not answer: buildx retries for minutes."""

import re
import socket
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from goldi_tasks.bake.builders import builder_model
from goldi_tasks.bake.builders.builder_model import Builder
from goldi_tasks.errors import SettingsError

# Seconds.
_TIMEOUT = 5.0
# The first bytes of a gRPC client: the preface of HTTP/2 and an empty SETTINGS frame (RFC 9113, 3.4).
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_PEM = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
# The validity of a certificate: two consecutive times, with two digits of the year, or four (RFC 5280, 4.1.2.5).
_VALIDITY = re.compile(rb"(?:\x17\r\d{12}|\x18\x0f\d{14})Z(?:\x17\r(\d{12})|\x18\x0f(\d{14}))Z")


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


def check(folder: Path) -> None:
    """Check that the certificates in `folder` are readable, private, matching and not expired. Raises SettingsError."""
    files = [folder / name for name in (builder_model.CA, builder_model.CERT, builder_model.KEY)]
    for file in files:
        try:
            text = file.read_text(encoding="ascii")
        except FileNotFoundError:
            remedy = f"Put {builder_model.CA}, {builder_model.CERT} and {builder_model.KEY} there"
            raise SettingsError(f"builder.certificates has no {file.name}: {folder}", remedy) from None
        except (OSError, ValueError) as error:
            raise SettingsError(f"{file} cannot be read: {error}", "Replace it with a readable PEM file") from error
        if file.name != builder_model.KEY and (expired_on := _expired_on(text)):
            raise SettingsError(f"{file} expired on {expired_on:%Y-%m-%d}", "Renew it")
    if files[2].stat().st_mode & 0o077:
        raise SettingsError(f"other users can read the key {files[2]}", f"Run `chmod go= '{files[2]}'`")
    import ssl  # takes 20 ms, and only TLS needs it

    try:
        ssl.create_default_context(cafile=files[0]).load_cert_chain(files[1], files[2], password=_refuse_password)
    except (OSError, ValueError) as error:
        problem = f"the certificates in {folder} cannot be used: {getattr(error, 'reason', None) or error}"
        raise SettingsError(
            problem, f"Check that they are PEM files, and that {builder_model.KEY} is the key of {builder_model.CERT}"
        ) from error


def _refuse_password() -> str:
    # Without this OpenSSL would ask for the password on the terminal; docker cannot use such a key.
    raise ValueError("the key has a password")


def _expired_on(pem: str) -> datetime | None:
    """Return when the certificate in `pem` expired; None if it has not, or if there is no certificate."""
    import ssl

    certificate = _PEM.search(pem)
    with suppress(ValueError):
        times = _VALIDITY.search(ssl.PEM_cert_to_DER_cert(certificate[0])) if certificate else None
        if times:
            year = "%y" if times[1] else "%Y"
            end = datetime.strptime((times[1] or times[2]).decode(), f"{year}%m%d%H%M%S").replace(tzinfo=UTC)
            return end if end.timestamp() < time.time() else None
    return None
