"""Check within seconds whether a registry answers; BuildKit waits without a limit for one that is silent."""

import http.client
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping

# Seconds for each of two tries. A cache in a slower registry makes no build faster.
PATIENCE = 3.0
# What every registry serves (OCI distribution specification, end-1).
_PATH = "/v2/"


def find_connection_error(host: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return why `host` (with or without a port) does not answer, as an error of the system; "" if it does.

    It is "" too if only the engine can know: the engine is on another machine, or the registry is behind a proxy.
    """
    name = host.partition(":")[0]
    is_remote = not environ.get("DOCKER_HOST", "unix://").startswith("unix://") or environ.get("DOCKER_CONTEXT")
    if is_remote or (urllib.request.getproxies().get("https") and not urllib.request.proxy_bypass(name)):
        return ""
    try:
        _request(http.client.HTTPSConnection(host, timeout=PATIENCE, context=_unverified_context()))
    except (ssl.SSLError, http.client.HTTPException, ConnectionResetError):
        # It may use http only: then it is an insecure registry of the engine, or the engine reports the error.
        return _http_error(host)
    except OSError as error:
        return _reason(error)
    return ""


def is_reachable(host: str, timeout: float) -> bool:
    """Return whether `host` answers within `timeout` seconds, with any status, through the environment's proxies."""
    scheme = "http" if host.partition(":")[0] in ("localhost", "127.0.0.1") else "https"
    try:
        with urllib.request.urlopen(f"{scheme}://{host}{_PATH}", timeout=timeout):  # noqa: S310 - one of these two
            return True
    except urllib.error.HTTPError:
        return True
    except urllib.error.URLError as error:
        # The engine may trust a certificate that Python does not.
        return isinstance(error.reason, ssl.SSLCertVerificationError)
    except (OSError, ValueError):
        return False


def _http_error(host: str) -> str:
    try:
        _request(http.client.HTTPConnection(host, timeout=PATIENCE))
    except (OSError, http.client.HTTPException) as error:
        return _reason(error)
    return ""


def _request(connection: http.client.HTTPConnection) -> None:
    """Request /v2/, without a login. Any response counts: the engine itself checks logins and certificates."""
    try:
        connection.request("GET", _PATH)
        connection.getresponse()
    finally:
        connection.close()


def _unverified_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {PATIENCE:g} s"
    return str(getattr(error, "strerror", "") or error or type(error).__name__).lower()
