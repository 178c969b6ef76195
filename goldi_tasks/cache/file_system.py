"""What is to be known of the cache root: its file system, and whether the engine sees it."""

import uuid
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed
from goldi_tasks.paths import Roots

_EMPTY_IMAGE = "localhost/goldi/empty"


def warnings(roots: Roots) -> list[str]:
    """One sentence with the remedy for each thing about a root that would surprise later."""
    return [sentence for root in roots.all for sentence in _warnings(root)]


def _warnings(root: Path) -> list[str]:
    said = []
    if file_system(root, Path("/proc/self/mountinfo").read_text(encoding="utf-8")) == "tmpfs":
        said.append(
            f"{root} is a tmpfs: caches there use memory and end with the next boot; set GOLDI_CACHE_ROOT to a disk"
        )
    if not engine_sees(root):
        said.append(f"the engine does not see {root}: share it with the engine's machine, or set GOLDI_CACHE_ROOT")
    return said


def file_system(path: Path, mountinfo: str) -> str:
    """The type of the file system that `path` is on, by the text of /proc/self/mountinfo (proc_pid_mountinfo(5))."""
    found = ("", "")
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        # Spaces in a mount point are written as octal.
        mount = before.split()[4].encode().decode("unicode_escape").encode("latin-1").decode("utf-8", "replace")
        if path.resolve().is_relative_to(mount) and len(mount) >= len(found[0]):
            found = (mount, after.split()[0])
    return found[1]


def engine_sees(root: Path) -> bool:
    """Whether a container can mount `root`; True if no engine answers, since then nothing is known.

    A container with the mount is created, never started, from an image without content.
    """
    marker = root / f"goldi-probe-{uuid.uuid4().hex}"
    marker.mkdir(mode=0o700)
    name = marker.name
    try:
        process.capture(Command(("docker", "import", "-", _EMPTY_IMAGE)), stdin="\0" * 1024)
    except CommandFailed:
        marker.rmdir()
        return True
    # Quoted as a CSV field: the root may hold a comma.
    mount = f'type=bind,"source={marker}",target=/probe'
    try:
        process.capture(Command(("docker", "create", "--name", name, "--mount", mount, _EMPTY_IMAGE, "true")))
    except CommandFailed as error:
        return "bind source path does not exist" not in error.problem
    else:
        process.capture(Command(("docker", "rm", name)))
        return True
    finally:
        marker.rmdir()
        process.capture(Command(("docker", "rmi", "--force", _EMPTY_IMAGE)))
