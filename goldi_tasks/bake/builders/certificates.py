"""The certificates with which a builder is reached by TLS: whether docker will be able to use them."""

import re
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from goldi_tasks.bake.builders import builder_model
from goldi_tasks.errors import SettingsError

_PEM = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
# The validity of a certificate: two times after each other, with two digits of the year, or four (RFC 5280, 4.1.2.5).
_VALIDITY = re.compile(rb"(?:\x17\r\d{12}|\x18\x0f\d{14})Z(?:\x17\r(\d{12})|\x18\x0f(\d{14}))Z")


def check(folder: Path) -> None:
    """Whether the certificates in `folder` can be used today. Raises SettingsError."""
    files = [folder / name for name in (builder_model.CA, builder_model.CERT, builder_model.KEY)]
    for file in files:
        try:
            text = file.read_text(encoding="ascii")
        except FileNotFoundError:
            wanted = f"Put {builder_model.CA}, {builder_model.CERT} and {builder_model.KEY} there"
            raise SettingsError(f"builder.certificates has no {file.name}: {folder}", wanted) from None
        except (OSError, ValueError) as error:
            raise SettingsError(f"{file} cannot be read: {error}", "Make it a PEM file that you may read") from error
        if file.name != builder_model.KEY and (ended := _ended(text)):
            raise SettingsError(f"{file} expired on {ended:%Y-%m-%d}", "Have a new one made")
    if files[2].stat().st_mode & 0o077:
        raise SettingsError(f"others may read the key {files[2]}", f"Run `chmod go= '{files[2]}'`")
    import ssl  # 20 ms that only TLS has a use for

    try:
        ssl.create_default_context(cafile=files[0]).load_cert_chain(files[1], files[2], password=_no_password)
    except (OSError, ValueError) as error:
        problem = f"the certificates in {folder} cannot be used: {getattr(error, 'reason', None) or error}"
        raise SettingsError(
            problem, f"See that they are PEM, and that {builder_model.KEY} is the key of {builder_model.CERT}"
        ) from error


def _no_password() -> str:
    # Else OpenSSL would ask for it on the terminal, and docker cannot use such a key.
    raise ValueError("the key has a password")


def _ended(pem: str) -> datetime | None:
    """When a certificate expired; None where it is good, or is none."""
    import ssl

    found = _PEM.search(pem)
    with suppress(ValueError):
        times = _VALIDITY.search(ssl.PEM_cert_to_DER_cert(found[0])) if found else None
        if times:
            year = "%y" if times[1] else "%Y"
            end = datetime.strptime((times[1] or times[2]).decode(), f"{year}%m%d%H%M%S").replace(tzinfo=UTC)
            return end if end.timestamp() < time.time() else None
    return None
