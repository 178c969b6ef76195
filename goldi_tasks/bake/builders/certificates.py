"""Check that docker can use the TLS certificates of a builder."""

import re
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from goldi_tasks.bake.builders import builder_model
from goldi_tasks.errors import SettingsError

_PEM = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
# The validity of a certificate: two consecutive times, with two digits of the year, or four (RFC 5280, 4.1.2.5).
_VALIDITY = re.compile(rb"(?:\x17\r\d{12}|\x18\x0f\d{14})Z(?:\x17\r(\d{12})|\x18\x0f(\d{14}))Z")


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
