"""Make the directory that a benchmark's checks run from: noxfiles, the host's environment, caches and state."""

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
class CheckCopy:
    """The directory `work`, and the `name` of the compose project."""

    settings: Settings
    work: Path
    name: str

    @property
    def container(self) -> dict[str, str]:
        """Return the variables of checks in the container, with caches and state apart from the user's."""
        directories = {
            **paths.environment_under(self.work / "caches"),
            "XDG_STATE_HOME": str(self.work / "state"),
            **self.temporary,
        }
        settings = {"GOLDI_RUN": "container", "GOLDI_WARM": "1", "GOLDI_IDLE_MINUTES": "30", "GOLDI_INSIDE": ""}
        return {**directories, **settings, **COMPILED}

    @property
    def host(self) -> dict[str, str]:
        """Return the variables of checks on the host."""
        path = os.pathsep.join([str(self.work / "env/bin"), os.environ.get("PATH", os.defpath)])
        caches = {f"{tool.upper()}_CACHE_DIR": str(self.work / "host" / tool) for tool in ("ruff", "mypy")}
        return {"PATH": path, **caches, **self.temporary, **COMPILED}

    @property
    def temporary(self) -> dict[str, str]:
        """Return TMPDIR, so that temporary files of programs that Ctrl-C ends are removed with the directory."""
        return {"TMPDIR": str(self.work / "tmp")}

    @property
    def shared(self) -> Path:
        """Return the directory that the container shares with the host: no other container mounts it."""
        return state.directory(self.container) / "checks" / self.settings.key

    def install(self) -> None:
        """Create the host's virtual environment from the lock file of the tools image."""
        env, quiet = self.work / "env", ("--quiet", "--disable-pip-version-check")
        process.capture_stderr(Command((sys.executable, "-m", "venv", str(env)), {**self.temporary, **COMPILED}))
        argv = ("install", *quiet, "--require-hashes", "--requirement", str(environment.lock(self.settings)))
        process.capture_stderr(Command((str(env / "bin/pip"), *argv), {**self.temporary, **COMPILED}))

    def compose(self) -> None:
        """Write a compose file with the image, the user and the mounts of the running tools container."""
        [container] = json.loads(process.capture(Command(("docker", "inspect", *self.containers()))))
        text = json.dumps({"services": {"tools": _service(self.settings, container)}})
        # Compose would interpolate variables.
        (self.work / "compose.json").write_text(text.replace("$", "$$"), encoding="utf-8")

    def containers(self) -> list[str]:
        """Return the ids of this benchmark's tools containers, running or not."""
        return _ids(("ps", "--all"), f"label={LABEL}={self.settings.key}", f"volume={self.shared}")

    def boot(self) -> None:
        """Remove the container, as a boot does."""
        _remove(self.containers())

    def clear(self) -> None:
        """Remove the container, and compose's containers and networks."""
        self.boot()
        label = f"label=com.docker.compose.project={self.name}"
        _remove(_ids(("ps", "--all"), label))
        if ids := _ids(("network", "ls"), label):
            process.capture(Command(("docker", "network", "rm", *ids)))


@contextmanager
def make_scratch(settings: Settings, sessions: Sessions, report: Callable[[str], None]) -> Iterator[CheckCopy]:
    """Make a directory with noxfiles of `sessions`; remove it after the block, with the containers of its checks."""
    with TemporaryDirectory(prefix="goldi-bench-") as directory, _mount_points(settings):
        scratch = CheckCopy(settings, Path(directory), f"goldi-bench-{uuid.uuid4().hex[:8]}")
        (scratch.work / "tmp").mkdir()
        noxfiles = {"host": measured_sessions.on_host, "container": measured_sessions.in_container}
        for name, make_noxfile in noxfiles.items():
            (scratch.work / name).mkdir()
            (scratch.work / name / "noxfile.py").write_text(make_noxfile(settings.project, sessions), encoding="utf-8")
        _remember_image(scratch)
        try:
            yield scratch
        finally:
            report("cleaning up")
            scratch.clear()


def _remember_image(scratch: CheckCopy) -> None:
    """Copy the fingerprint of the tools image: else it would be built again, into the benchmark's local cache."""
    source = fingerprint.folder(scratch.settings)
    if source.is_dir():
        shutil.copytree(source, fingerprint.folder(scratch.settings, scratch.container))


@contextmanager
def _mount_points(settings: Settings) -> Iterator[None]:
    """Remove the mount points in the project that checks create during the block."""
    mounts = [Path(mount) for _, _, mount in run_arguments.mounts(settings)]
    absent = [mount for mount in mounts if mount.is_relative_to(settings.project) and not mount.exists()]
    try:
        yield
    finally:
        for mount in absent:
            with suppress(OSError):
                mount.rmdir()


def _service(settings: Settings, container: dict[str, Any]) -> dict[str, Any]:
    """Return a compose service like `container`, which is the output of `docker inspect`."""
    # The network's secret file was removed after the container's start.
    mounts = [mount for mount in container["HostConfig"]["Mounts"] if Path(mount["Source"]).exists()]
    service = {
        "image": f"{settings.image}:tools",
        "pull_policy": "never",
        "init": True,
        "working_dir": str(settings.project),
        "environment": {"HOME": "/tmp"},
        "volumes": [_volume(mount["Source"], mount["Target"], mount.get("ReadOnly", False)) for mount in mounts],
    }
    return service | ({"user": user} if (user := container["Config"]["User"]) else {})


def _volume(source: str, target: str, read_only: bool) -> dict[str, Any]:
    return {"type": "bind", "source": source, "target": target, "read_only": read_only}


def _ids(listing: tuple[str, ...], *filters: str) -> list[str]:
    """Return the ids that `docker ps` or `docker network ls` lists."""
    filter_options = [part for filter_ in filters for part in ("--filter", filter_)]
    return process.capture(Command(("docker", *listing, "--quiet", *filter_options))).split()


def _remove(containers: list[str]) -> None:
    """Remove containers, running or not, also those that are being removed already. Raises CommandFailed."""
    try:
        if containers:
            process.capture(Command(("docker", "rm", "--force", *containers)))
    except CommandFailed as error:
        if "already in progress" not in error.problem:
            raise
