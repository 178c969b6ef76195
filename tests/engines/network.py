"""A network of its own with a way out: that of a container of this machine's engine, which does nothing else."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from goldi_tasks.engine.distribution import IMAGES


@contextmanager
def network() -> Iterator[tuple[str, str]]:
    """What runs the arguments that follow in it."""
    image = IMAGES["PYTHON_IMAGE"].name
    start = ("docker", "run", "--detach", "--rm", "--init", "--log-driver", "none", image, "sleep", "infinity")
    container = _said(*start)
    try:
        pid = _said("docker", "inspect", "--format", "{{.State.Pid}}", container)
        yield "nsenter", f"--net=/proc/{pid}/ns/net"
    finally:
        _said("docker", "rm", "--force", container)


def _said(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
