"""The campaign's own engine: started, killed, emptied, asked."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks.engine import EnginePaths, daemon, lock


@dataclass(frozen=True)
class Engine:
    """A private engine at `place`; `env` is the environment of who uses it."""

    place: EnginePaths
    env: Mapping[str, str]

    def start(self) -> None:
        """Up, also after a kill; nothing if it is up."""
        with lock(self.place):
            daemon.start(self.place)

    def load(self) -> None:
        """The base image, which comes as our standard input."""
        subprocess.run(("docker", "load", "--quiet"), env=self.env, stdin=sys.stdin, stdout=sys.stderr, check=True)

    def kill(self) -> bool:
        """SIGKILL for dockerd, which takes its containerd with it; whether it was there."""
        running = daemon.pid(self.place)
        if running:
            with suppress(ProcessLookupError):
                os.kill(running, signal.SIGKILL)
        return bool(running)

    def end(self) -> None:
        """Down, and all of it removed."""
        with lock(self.place):
            daemon.stop(self.place)

    def docker(self, *arguments: str) -> str:
        """What `docker ARGUMENTS` prints; it must succeed."""
        argv = ("docker", *arguments)
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(f"docker {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def forget(self, keep: str) -> None:
        """Remove every image but `keep`, and all that the builder remembers."""
        rows = self.docker("image", "ls", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").splitlines()
        images = [row.split() for row in rows]
        # One that another took the name of has only an id.
        others = {number if "<none>" in name else name for name, number in images if name != keep}
        if others:
            self.docker("image", "rm", "--force", *sorted(others))
        self.docker("builder", "prune", "--all", "--force")
        self._collect()

    def _collect(self) -> None:
        """Wait until containerd has collected: until then a blob that comes again counts as there, and then is gone."""
        address = ("--address", str(self.place.run / "exec/containerd/containerd.sock"), "--namespace", "moby")
        for words in (("create", "--id", "campaign"), ("delete", "--sync", "campaign")):
            argv = ("ctr", *address, "leases", *words)
            subprocess.run(argv, env=self.env, capture_output=True, check=True)

    def files(self, image: str, paths: Iterable[str], folder: Path) -> list[bytes]:
        """The contents of files of `image`."""
        container = self.docker("create", image, "true")
        copied = folder / "copied"
        try:
            found = []
            for path in paths:
                self.docker("cp", f"{container}:{path}", str(copied))
                found.append(copied.read_bytes())
            return found
        finally:
            copied.unlink(missing_ok=True)
            self.docker("rm", "--force", container)
