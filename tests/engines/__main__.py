"""`python -m tests.engines ENGINE [pytest's arguments]`, as root, with an engine that answers."""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

from tests.engines import newest, podman, rootless

ENGINES = {"newest": newest.run, "rootless": rootless.run, "podman": podman.run}


def main() -> int:
    """Bring the engine up, run tests on it, and bring it down; pytest's exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.engines", description=__doc__)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="for pytest, instead of the tests that are known")
    wanted = parser.parse_args()
    if os.getuid() != 0:
        print("an engine of its own needs root", file=sys.stderr)
        return 2
    # A shell starts what goes on in the background without it, and what we start would take over that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Not below TMPDIR: names of sockets must be short.
    with tempfile.TemporaryDirectory(prefix="goldi-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        return ENGINES[wanted.engine](Path(folder), wanted.arguments)


if __name__ == "__main__":
    sys.exit(main())
