"""Ask the running service how it is, for a container's HEALTHCHECK.

`python -m goldilocks.healthcheck` exits with 0 if `/health` answers 200, else with 1.
It uses the standard library alone, to start fast.
"""

import os
import sys
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

TIMEOUT_SECONDS = 4


def is_healthy(port: str) -> bool:
    """Return whether the service on this port of this machine is healthy."""
    opener = build_opener(ProxyHandler({}))  # never by way of a proxy
    try:
        with opener.open(
            f"http://127.0.0.1:{port}/health", timeout=TIMEOUT_SECONDS
        ) as response:
            return bool(response.status == 200)
    except HTTPError as error:
        # While the app does not start, the development server's page begins with why.
        with error:
            line = error.readline(1000).decode(errors="replace").strip()
        print(f"unhealthy: {error}: {line}", file=sys.stderr)
        return False
    except (OSError, ValueError) as error:
        print(f"unhealthy: {error}", file=sys.stderr)
        return False


if __name__ == "__main__":
    sys.exit(0 if is_healthy(os.environ.get("PORT") or "8000") else 1)
