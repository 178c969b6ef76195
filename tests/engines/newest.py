"""The newest engine that Debian has, unstable's, as root: its own client, buildx and compose too.

For the tests it is the machine's engine: its socket, client and plugins are mounted over those.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from goldi_tasks.engine import EnginePaths, daemon, distribution, ensure_root_directory, lock, packages, uninstall
from tests.engines import cage
from tests.engines.network import network

FETCHED = Path("/var/tmp/goldi-engines")
# Its docker-init is a link to what tini-static has.
PACKAGES = replace(distribution.ENGINE, suite="unstable", names=(*distribution.ENGINE.names, "tini-static"))
# It is about the engine that `engine.up` makes of Debian 13's packages.
TESTS = ("tests/real", "--ignore=tests/real/test_engine.py")
_PLUGINS = [
    Path(top, "docker/cli-plugins") for top in ("/usr/local/lib", "/usr/local/libexec", "/usr/lib", "/usr/libexec")
]


def run(folder: Path, arguments: Sequence[str]) -> int:
    """Run the real tests, or pytest with `arguments`; its exit code."""
    fetched = EnginePaths(prefix=ensure_root_directory(FETCHED, 0o700) / PACKAGES.suite)
    packages.ensure(fetched, renew=True, package_set=PACKAGES)
    subprocess.run(("cp", "-al", fetched.prefix, folder / "prefix"), check=True)
    with network() as enter:
        return cage.run(__name__, folder, arguments, enter)


def inside(folder: Path, arguments: Sequence[str]) -> int:
    """The same in the cage."""
    place = EnginePaths(
        folder / "prefix", folder / "data", folder / folder.name, folder / "docker.sock", folder / "local"
    )
    with lock(place):
        daemon.start(place)
    instead: list[Path] = []
    try:
        for ours, theirs in _pairs(place):
            cage.bind(ours, theirs)
            instead.append(theirs)
        env = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
        env["PATH"] = f"{place.prefix}/usr/bin:{env['PATH']}"
        subprocess.run(("docker", "load", "--quiet"), env=env, check=True)
        subprocess.run(cage.status(), env=env, stdin=subprocess.DEVNULL, check=True)
        tests = cage.pytest(arguments or TESTS)
        return subprocess.run(tests, env=env, stdin=subprocess.DEVNULL, check=False).returncode
    finally:
        for path in reversed(instead):
            cage.unmount(path)
        with lock(place):
            daemon.stop(place)
            uninstall.wipe(place)


def _pairs(place: EnginePaths) -> Iterator[tuple[Path, Path]]:
    """The socket and the plugins of `place`, and where the machine has its own; the client is found by PATH."""
    yield place.socket, Path("/var/run/docker.sock").resolve()
    for folder in _PLUGINS:
        if (folder / "docker-buildx").exists():
            # The directory: what its links lead to is copied by tests that have an engine of their own.
            yield place.prefix / "usr/libexec/docker/cli-plugins", folder
