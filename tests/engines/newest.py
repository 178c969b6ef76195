"""The newest engine that Debian has, unstable's, as root: its own client, buildx and compose too."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from goldi_tasks.engine import Place, own, packages
from goldi_tasks.plan import engine as plan
from goldi_tasks.plan.engine import IMAGES
from tests.engines.network import network

FETCHED = Path("/var/tmp/goldi-engines")
# Its docker-init is a link to what tini-static has.
PACKAGES = replace(plan.ENGINE, suite="unstable", names=(*plan.ENGINE.names, "tini-static"))
BASES = tuple(image.name for image in IMAGES.values())
# Bound to the engine that `engine.up` makes of Debian 13's packages, or to no engine at all.
OTHERS = ("tests/real/test_engine.py",)
_DAEMON = """from pathlib import Path
from goldi_tasks.engine import Place, daemon, lock
place = Place(**{name: Path(path) for name, path in %r.items()})
with lock(place):
    %s
"""


def run(folder: Path, arguments: Sequence[str]) -> int:
    """Run the real tests, or pytest with `arguments`; its exit code."""
    place = Place(folder / "prefix", folder / "data", folder / folder.name, folder / "docker.sock", folder / "local")
    with network() as enter, engine(place, enter) as env:
        subprocess.run(status(), env=env, check=True)
        return subprocess.run((*enter, *pytest(arguments)), env=env, check=False).returncode


def pytest(arguments: Sequence[str]) -> tuple[str, ...]:
    """The real tests, or what `arguments` say."""
    left_out = tuple(f"--ignore={name}" for name in OTHERS)
    return (sys.executable, "-m", "pytest", "-m", "real", *(arguments or ("tests/real", *left_out)))


@contextmanager
def engine(place: Place, enter: Sequence[str]) -> Iterator[Mapping[str, str]]:
    """An engine in the network that `enter` leads to, with the base images; the environment of who uses it."""
    fetched = replace(place, prefix=own(FETCHED, 0o700) / PACKAGES.suite)
    packages.ensure(fetched, renew=True, wanted=PACKAGES)
    subprocess.run(("cp", "-al", fetched.prefix, place.prefix), check=True)
    env = environment(place.prefix, f"unix://{place.socket}", place.prefix.parent)
    daemon(place, enter, "daemon.start(place)")
    try:
        load(env)
        yield env
    finally:
        daemon(place, enter, "daemon.stop(place); __import__('goldi_tasks.engine.traces').engine.traces.wipe(place)")


def daemon(place: Place, enter: Sequence[str], line: str) -> None:
    """Run a line of Python that names `place` there."""
    text = _DAEMON % ({name: str(path) for name, path in asdict(place).items()}, line)
    subprocess.run((*enter, sys.executable, "-c", text), check=True)


def environment(prefix: Path, host: str, folder: Path) -> dict[str, str]:
    """Of who uses the engine at `host` with the client and the plugins under `prefix`."""
    plugins = folder / "config/cli-plugins"
    plugins.mkdir(parents=True)
    for plugin in (prefix / "usr/libexec/docker/cli-plugins").iterdir():
        (plugins / plugin.name).symlink_to(plugin)
    path = f"{prefix}/usr/bin:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "DOCKER_HOST": host, "DOCKER_CONFIG": str(plugins.parent)}


def load(env: Mapping[str, str]) -> None:
    """Give the engine the base images of this machine's."""
    with subprocess.Popen(("docker", "save", *BASES), stdout=subprocess.PIPE) as saved:
        subprocess.run(("docker", "load", "--quiet"), stdin=saved.stdout, env=env, check=True)


def status() -> tuple[str, ...]:
    """What prints what the tests run on."""
    return (str(Path(sys.executable).parent / "goldi"), "engine.status")
