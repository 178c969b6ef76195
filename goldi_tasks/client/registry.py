"""Whether a registry answers at all, found out in seconds: BuildKit waits for one that is silent without an end."""

import http.client
import os
import ssl
import urllib.request
from collections.abc import Mapping

# Seconds for each of two tries. What answers later than that is no cache that makes a build faster.
PATIENCE = 3.0


def trouble(host: str, environ: Mapping[str, str] = os.environ) -> str:
    """Why `host` (with a port or without) does not answer, as its system says it; "" if it does.

    "" too where only the engine can know: it is another machine, or it is reached through a proxy.
    """
    name = host.partition(":")[0]
    far = not environ.get("DOCKER_HOST", "unix://").startswith("unix://") or environ.get("DOCKER_CONTEXT")
    if far or (urllib.request.getproxies().get("https") and not urllib.request.proxy_bypass(name)):
        return ""
    try:
        _ask(http.client.HTTPSConnection(host, timeout=PATIENCE, context=_anybody()))
    except (ssl.SSLError, http.client.HTTPException, ConnectionResetError):
        # It may speak http alone; then the engine has it among its insecure registries, or says what it misses.
        return _plain(host)
    except OSError as error:
        return _reason(error)
    return ""


def _plain(host: str) -> str:
    try:
        _ask(http.client.HTTPConnection(host, timeout=PATIENCE))
    except (OSError, http.client.HTTPException) as error:
        return _reason(error)
    return ""


def _ask(connection: http.client.HTTPConnection) -> None:
    """Any answer is one: of logins and certificates the engine decides. Nothing is sent but the question."""
    try:
        connection.request("GET", "/v2/")
        connection.getresponse()
    finally:
        connection.close()


def _anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {PATIENCE:g} s"
    return str(getattr(error, "strerror", "") or error or type(error).__name__).lower()
