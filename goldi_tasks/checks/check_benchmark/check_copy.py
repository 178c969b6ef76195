"""Where a benchmark's checks are run from: noxfiles, an environment for the host, caches and a state of their own."""

import json
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from goldi_tasks import paths, process, state
from goldi_tasks.bake import fingerprint
from goldi_tasks.benchmark.times import COMPILED
from goldi_tasks.checks import environment
from goldi_tasks.checks.check_arguments import LABEL
from goldi_tasks.checks.check_benchmark import measured_sessions
from goldi_tasks.checks.check_benchmark.measured_sessions import Sessions
from goldi_tasks.client import run_arguments
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed
from goldi_tasks.settings import Settings


@dataclass(frozen=True)
class Scratch:
    """The directory `work`, and the `name` of the compose project."""

    settings: Settings
    work: Path
    name: str

    @property
    def container(self) -> dict[str, str]:
        """The environment of checks in the container: nothing is shared with the user's own."""
        own = {
            **paths.all_under(self.work / "caches"),
            "XDG_STATE_HOME": str(self.work / "state"),
            **self.temporary,
        }
        chosen = {"GOLDI_RUN": "container", "GOLDI_WARM": "1", "GOLDI_IDLE_MINUTES": "30", "GOLDI_INSIDE": ""}
        return {**own, **chosen, **COMPILED}

    @property
    def host(self) -> dict[str, str]:
        """The environment of checks on the host."""
        path = os.pathsep.join([str(self.work / "env/bin"), os.environ.get("PATH", os.defpath)])
        caches = {f"{tool.upper()}_CACHE_DIR": str(self.work / "host" / tool) for tool in ("ruff", "mypy")}
        return {"PATH": path, **caches, **self.temporary, **COMPILED}

    @property
    def temporary(self) -> dict[str, str]:
        """Where programs put what they may not come to remove when Ctrl-C ends them."""
        return {"TMPDIR": str(self.work / "tmp")}

    @property
    def shared(self) -> Path:
        """What the container shares with us: no other container mounts it."""
        return state.directory(self.container) / "checks" / self.settings.key

    def install(self) -> None:
        """Make the host's environment from the lock that the tools image is made from."""
        env, quiet = self.work / "env", ("--quiet", "--disable-pip-version-check")
        process.listen(Command((sys.executable, "-m", "venv", str(env)), {**self.temporary, **COMPILED}))
        argv = ("install", *quiet, "--require-hashes", "--requirement", str(environment.lock(self.settings)))
        process.listen(Command((str(env / "bin/pip"), *argv), {**self.temporary, **COMPILED}))

    def compose(self) -> None:
        """Write a compose file with the image, the user and the mounts of the container, which runs."""
        [found] = json.loads(process.capture(Command(("docker", "inspect", *self.containers()))))
        text = json.dumps({"services": {"tools": _service(self.settings, found)}})
        # Compose fills in variables.
        (self.work / "compose.json").write_text(text.replace("$", "$$"), encoding="utf-8")

    def containers(self) -> list[str]:
        """The ids of our tools containers, running or not."""
        return _ids(("ps", "--all"), f"label={LABEL}={self.settings.key}", f"volume={self.shared}")

    def boot(self) -> None:
        """Leave the container as a boot does: gone."""
        _remove(self.containers())

    def clear(self) -> None:
        """Remove what compose has made, and the container."""
        self.boot()
        label = f"label=com.docker.compose.project={self.name}"
        _remove(_ids(("ps", "--all"), label))
        if ids := _ids(("network", "ls"), label):
            process.capture(Command(("docker", "network", "rm", *ids)))


@contextmanager
def made(settings: Settings, found: Sessions, tell: Callable[[str], None]) -> Iterator[Scratch]:
    """A directory with the noxfiles of the sessions `found`; it is removed at the end, and all that came of it."""
    with TemporaryDirectory(prefix="goldi-bench-") as folder, _mount_points(settings):
        scratch = Scratch(settings, Path(folder), f"goldi-bench-{uuid.uuid4().hex[:8]}")
        (scratch.work / "tmp").mkdir()
        texts = {"host": measured_sessions.on_host, "container": measured_sessions.in_container}
        for name, text in texts.items():
            (scratch.work / name).mkdir()
            (scratch.work / name / "noxfile.py").write_text(text(settings.project, found), encoding="utf-8")
        _remember_image(scratch)
        try:
            yield scratch
        finally:
            tell("cleaning up")
            scratch.clear()


def _remember_image(scratch: Scratch) -> None:
    """What was found out of the image's inputs: else it would be built again into our own local cache."""
    source = fingerprint.folder(scratch.settings)
    if source.is_dir():
        shutil.copytree(source, fingerprint.folder(scratch.settings, scratch.container))


@contextmanager
def _mount_points(settings: Settings) -> Iterator[None]:
    """The directories in the project that checks make to mount caches there are gone afterwards."""
    mounts = [Path(mount) for _, _, mount in run_arguments.mounts(settings)]
    absent = [mount for mount in mounts if mount.is_relative_to(settings.project) and not mount.exists()]
    try:
        yield
    finally:
        for mount in absent:
            with suppress(OSError):
                mount.rmdir()


def _service(settings: Settings, found: dict[str, Any]) -> dict[str, Any]:
    """A compose service like the container that docker has told of as `found`."""
    # What it is told of the network was a file for its start alone.
    mounts = [mount for mount in found["HostConfig"]["Mounts"] if Path(mount["Source"]).exists()]
    service = {
        "image": f"{settings.image}:tools",
        "pull_policy": "never",
        "init": True,
        "working_dir": str(settings.project),
        "environment": {"HOME": "/tmp"},
        "volumes": [_volume(mount["Source"], mount["Target"], mount.get("ReadOnly", False)) for mount in mounts],
    }
    return service | ({"user": user} if (user := found["Config"]["User"]) else {})


def _volume(source: str, target: str, read_only: bool) -> dict[str, Any]:
    return {"type": "bind", "source": source, "target": target, "read_only": read_only}


def _ids(what: tuple[str, ...], *filters: str) -> list[str]:
    """The ids that `docker ps` or `docker network ls` lists."""
    asked = [part for value in filters for part in ("--filter", value)]
    return process.capture(Command(("docker", *what, "--quiet", *asked))).split()


def _remove(containers: list[str]) -> None:
    """Remove containers, running or not; one may be on its way out."""
    try:
        if containers:
            process.capture(Command(("docker", "rm", "--force", *containers)))
    except CommandFailed as error:
        if "already in progress" not in error.problem:
            raise
