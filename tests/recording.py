"""A docker for PATH that writes down how it is called, and answers from canned text.

This is the test's side; what runs as `docker ARGUMENTS` is the recorder.
The canned texts are what Debian's docker 26.1.5 with buildx 0.13.1 and compose 2.26.1 print.
"""

import json
import marshal
import shlex
import sys
from ast import literal_eval
from pathlib import Path
from typing import Any

from tests import recorder

INFO = {
    "ServerVersion": "26.1.5+dfsg1",
    "Driver": "overlayfs",
    "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
    "Architecture": "x86_64",
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
}
CLASSIC = INFO | {"Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]]}
BUILDX_LS = """\
NAME/NODE     DRIVER/ENDPOINT   STATUS    BUILDKIT   PLATFORMS
default*      docker
 \\_ default    \\_ default       running   v0.14.1    linux/amd64, linux/amd64/v2, linux/386
"""
BUILDX_LS_GUIDE = """\
NAME/NODE                 DRIVER/ENDPOINT                   STATUS    BUILDKIT   PLATFORMS
goldilocks-builder        docker-container
 \\_ goldilocks-builder0    \\_ unix:///var/run/docker.sock   running   v0.14.1    linux/amd64
default*                  docker
 \\_ default                \\_ default                       running   v0.14.1    linux/amd64
"""
ANSWERS: dict[str, dict[str, Any]] = {
    "info": {"stdout": json.dumps(INFO)},
    "buildx version": {"stdout": "github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3\n"},
    "buildx ls": {"stdout": BUILDX_LS},
    "buildx inspect": {"stdout": "Name: default\nPlatforms: linux/amd64, linux/arm64\n"},
    "compose version": {"stdout": "Docker Compose version 2.26.1-4\n"},
}


# What `docker buildx du --verbose` says of a builder with one cache mount.
DU = (
    "ID:\t\tabc\nCreated at:\t2026-11-25 15:32:54.500454619 +0000 UTC\nMutable:\ttrue\n"
    "Reclaimable:\ttrue\nShared:\t\tfalse\n"
    "Size:\t\t517.9MB\nDescription:\tcached mount /root/.cache/uv from exec /bin/sh -c online with id "
    '"//root/.cache/uv"\nUsage count:\t21\nLast used:\t9 minutes ago\nType:\t\texec.cachemount\n\n'
    "Shared:\t\t0B\nPrivate:\t517.9MB\nReclaimable:\t400MB\nTotal:\t\t517.9MB\n"
)


class Recording:
    """A directory for PATH with a docker in it; what it was asked is in `calls`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        docker = folder / "docker"
        argv = shlex.join([sys.executable, "-SE", recorder.__file__, str(folder)])
        docker.write_text(f'#!/bin/sh\nexec {argv} "$@"\n', encoding="utf-8")
        docker.chmod(0o755)
        self._answers = dict(ANSWERS)
        self._write()

    def answer(self, asked: str, **answer: Any) -> None:
        """What a call whose arguments begin with `asked` gets: `stdout`, `stderr`, `code`, `sleep`, `metadata`, `hold`.

        `code` may be a list: one for each call. `sleep` is before anything is said, `hold` after it.
        """
        self._answers[asked] = answer
        self._write()

    @property
    def log(self) -> list[dict[str, Any]]:
        """Everything that was written down: per call argv, env, cwd and pid, and signals that came."""
        file = self.folder / "log"
        return list(map(literal_eval, file.read_text("utf-8").splitlines())) if file.exists() else []

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of every call."""
        return [entry["argv"] for entry in self.log if "argv" in entry]

    def only(self, word: str) -> dict[str, Any]:
        """The one call that has `word` among its arguments; what is only printed, or only a cache, is another."""
        asked = ((entry, entry.get("argv", [])) for entry in self.log)
        found = [entry for entry, argv in asked if word in argv and recorder.words(argv) == argv]
        assert len(found) == 1, self.calls
        return found[0]

    def _write(self) -> None:
        (self.folder / "answers").write_bytes(marshal.dumps(self._answers))
