"""A docker for PATH that writes down how it is called, and answers from canned text.

`Recording` is the test's side. The script's side is `main`, run by a bare interpreter as `docker ARGUMENTS`.
The canned texts are what Debian's docker 26.1.5 with buildx 0.13.1 and compose 2.26.1 print.
"""

import hashlib
import json
import os
import shlex
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

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
        argv = shlex.join([sys.executable, "-SE", __file__, str(folder)])
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
        return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of every call."""
        return [entry["argv"] for entry in self.log if "argv" in entry]

    def only(self, word: str) -> dict[str, Any]:
        """The one call that has `word` among its arguments; what is only printed, or only a cache, is another."""
        found = [entry for entry in self.log if word in (argv := entry.get("argv", ())) and _words(argv) == argv]
        assert len(found) == 1, self.calls
        return found[0]

    def _write(self) -> None:
        (self.folder / "answers").write_text(json.dumps(self._answers), encoding="utf-8")


def main(folder: Path, argv: list[str]) -> int:
    """Be docker: write the call down, answer it."""
    kept = ("GOLDI_", "DOCKER_", "BUILDX_", "KUBECONFIG")
    shown = {name: value for name, value in os.environ.items() if name.startswith(kept) or name.endswith("_IMAGE")}
    _note(folder, {"argv": argv, "env": shown, "cwd": str(Path.cwd()), "pid": os.getpid()})
    answers = json.loads((folder / "answers").read_text("utf-8"))
    asked = max((key for key in answers if _words(argv)[: len(key.split())] == key.split()), key=len, default="")
    answer = answers.get(asked, {})
    if "sleep" in answer:
        _sleep(folder, answer["sleep"])
    if "metadata" in answer:
        Path(argv[argv.index("--metadata-file") + 1]).write_text(json.dumps(answer["metadata"]), "utf-8")
    sys.stdout.write(answer.get("stdout", ""))
    sys.stderr.write(answer.get("stderr", ""))
    if "hold" in answer:
        sys.stderr.flush()
        _sleep(folder, answer["hold"])
    code = answer.get("code", 0)
    if isinstance(code, list):
        code = code[_count(folder, asked.split()) - 1]
    if code == 0 and _words(argv) == ["buildx", "keep"]:
        _export(argv)
    return int(code)


def _export(argv: list[str]) -> None:
    """The smallest cache that is one, where each target is told to export to."""
    for word in argv:
        if ".cache-to=" in word:
            place = Path(word.partition("dest=")[2].rstrip('"'))
            (place / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
            described = _blob(place, b"layer")
            manifest = json.dumps({"layers": [described]}).encode()
            (place / "index.json").write_text(json.dumps({"manifests": [_blob(place, manifest)]}), "utf-8")


def _blob(place: Path, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    (place / "blobs" / "sha256" / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def _words(argv: list[str]) -> list[str]:
    """What is asked: `buildx print` is bake that only prints, `buildx keep` bake that only exports a cache."""
    if "--print" in argv:
        return ["buildx", "print"]
    return ["buildx", "keep"] if "*.output=type=cacheonly" in argv else argv


def _count(folder: Path, words: list[str]) -> int:
    """How many calls began with `words`, this one included."""
    lines = (folder / "log").read_text("utf-8").splitlines()
    return sum(_words(json.loads(line).get("argv", []))[: len(words)] == words for line in lines)


def _sleep(folder: Path, seconds: float) -> None:
    def interrupted(number: int, frame: FrameType | None) -> None:
        _note(folder, {"signal": signal.Signals(number).name, "pid": os.getpid()})
        sys.exit(130)

    signal.signal(signal.SIGINT, interrupted)
    _note(folder, {"ready": os.getpid()})
    time.sleep(seconds)


def _note(folder: Path, entry: dict[str, Any]) -> None:
    handle = os.open(folder / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, (json.dumps(entry) + "\n").encode())
    os.close(handle)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
