"""Check a cache root: the type of its file system, and whether the engine can mount it."""

import uuid
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed
from goldi_tasks.paths import Roots

_EMPTY_IMAGE = "localhost/goldi/empty"


def list_warnings(roots: Roots) -> list[str]:
    """Return a sentence with its remedy for each problem of the cache roots: a tmpfs, or not mountable."""
    return [warning for root in roots.all for warning in _warnings(root)]


def _warnings(root: Path) -> list[str]:
    sentences = []
    if file_system(root, Path("/proc/self/mountinfo").read_text(encoding="utf-8")) == "tmpfs":
        sentences.append(
            f"{root} is a tmpfs: caches there use memory and end with the next boot; set GOLDI_CACHE_ROOT to a disk"
        )
    if not engine_sees(root):
        sentences.append(f"the engine does not see {root}: share it with the engine's machine, or set GOLDI_CACHE_ROOT")
    return sentences


def file_system(path: Path, mountinfo: str) -> str:
    """Return the type of the file system that holds `path`, "" if unknown.

    `mountinfo` is the text of /proc/self/mountinfo (proc_pid_mountinfo(5)).
    """
    longest, file_system_type = "", ""
    for line in mountinfo.splitlines():
        mount_fields, _, file_system_fields = line.partition(" - ")
        # A space in a mount point is written as the octal escape \040.
        escaped = mount_fields.split()[4]
        mount_point = escaped.encode().decode("unicode_escape").encode("latin-1").decode("utf-8", "replace")
        if path.resolve().is_relative_to(mount_point) and len(mount_point) >= len(longest):
            longest, file_system_type = mount_point, file_system_fields.split()[0]
    return file_system_type


def engine_sees(root: Path) -> bool:
    """Return whether a container can mount `root`; True also if no engine answers, since then it is unknown.

    A container with the mount is created from an empty image, and is not started.
    """
    marker = root / f"goldi-probe-{uuid.uuid4().hex}"
    marker.mkdir(mode=0o700)
    name = marker.name
    try:
        process.capture(Command(("docker", "import", "-", _EMPTY_IMAGE)), stdin="\0" * 1024)
    except CommandFailed:
        marker.rmdir()
        return True
    # Docker parses the option as CSV: the path is quoted because it may contain a comma.
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
