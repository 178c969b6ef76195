"""Podman of Debian 13, whose socket a container of this machine's engine shares with us."""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from goldi_tasks.engine.distribution import IMAGES
from tests.engines import cage

TESTS = ("tests/engines/on_podman.py",)
# Its own images are mounted over, since overlay on overlay does not work.
_START = """
exec >&2
apt-get update -q
apt-get install -q --yes --no-install-recommends podman netavark aardvark-dns crun catatonit nftables
exec podman system service --time 0 unix:///shared/podman.sock
"""


def run(folder: Path, arguments: Sequence[str]) -> int:
    """Run what is expected of Podman, or pytest with `arguments`; its exit code."""
    image, socket = IMAGES["PYTHON_IMAGE"].name, folder / "podman.sock"
    start = ("docker", "run", "--detach", "--rm", "--init", "--privileged", "--log-driver", "local")
    mounts = (
        "--mount",
        f"type=bind,source={folder},target=/shared",
        "--mount",
        "type=volume,target=/var/lib/containers",
    )
    container = _said(*start, *mounts, image, "sh", "-ec", _START)
    env = {**os.environ, "DOCKER_HOST": f"unix://{socket}"}
    try:
        end = time.monotonic() + 300
        while not socket.exists():
            if (
                time.monotonic() > end
                or _said("docker", "inspect", "--format", "{{.State.Running}}", container) != "true"
            ):
                raise RuntimeError(_said("docker", "logs", container))
            time.sleep(0.2)
        with subprocess.Popen(("docker", "save", *cage.BASES), stdout=subprocess.PIPE) as saved:
            subprocess.run(("docker", "load", "--quiet"), stdin=saved.stdout, env=env, check=True)
        print(_said("docker", "exec", container, "podman", "--version"), flush=True)
        return subprocess.run(cage.pytest(arguments or TESTS), env=env, check=False).returncode
    finally:
        _said("docker", "rm", "--force", "--volumes", container)


def _said(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
