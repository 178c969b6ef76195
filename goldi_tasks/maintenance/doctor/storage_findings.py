"""Check the file systems of the caches and of the engine's data."""

from collections.abc import Iterator

from goldi_tasks.maintenance.doctor.facts import Answers, Root, Space
from goldi_tasks.maintenance.doctor.finding import Finding
from goldi_tasks.units import format_size

# File systems that other machines write to, or whose locks are slow or missing.
NETWORK = (
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "ceph", "glusterfs", "lustre", "afs", "gpfs"),
    *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse", "fuse.grpcfuse"),
    *("fakeowner", "vboxsf", "drvfs", "prl_fs", "fuse.prl_fsd", "fuse.vmhgfs-fuse"),
)
# Bytes: a cold build of a small project takes 1 GB, the caches of a project take a few GB.
LITTLE, SCARCE = 5 * 10**9, 10**9
_ANOTHER = "Set GOLDI_CACHE_ROOT or `cache-root` to a directory on"


def findings(answers: Answers) -> Iterator[Finding]:
    """Yield what is wrong with the file system of each cache root, and with that of the engine's data."""
    for root in answers.roots:
        yield from _kind(root)
        if root.space:
            remedy = f"Free some space, see `inv cache.status`, or {_ANOTHER[0].lower()}{_ANOTHER[1:]} another disk"
            yield from _space("root", str(root.path), root.space, remedy)
    for path in answers.invisible_roots:
        remedy = "Share it with the machine that the engine runs on, or set GOLDI_CACHE_ROOT to a shared directory"
        yield Finding("root-not-seen", "error", f"the engine does not see {path}", remedy)
    if answers.data and not any(root.space == answers.data for root in answers.roots):
        remedy = "Remove unused images and build cache: `docker system df` shows their size"
        yield from _space("engine", "the engine's data", answers.data, remedy)


def _kind(root: Root) -> Iterator[Finding]:
    if root.kind in ("tmpfs", "ramfs"):
        what = f"{root.path} is a {root.kind}: caches there use memory and are lost at the next boot"
        yield Finding("root-tmpfs", "warning", what, f"{_ANOTHER} a disk")
    elif root.kind in NETWORK:
        what = f"{root.path} is on a network or shared file system ({root.kind}): slow, and file locks may fail"
        yield Finding("root-network", "warning", what, f"{_ANOTHER} a local disk")


def _space(prefix: str, place: str, space: Space, remedy: str) -> Iterator[Finding]:
    if space.read_only:
        yield Finding(
            f"{prefix}-read-only", "error", f"the file system of {place} is mounted read-only", "Mount it writable"
        )
    elif space.free < min(LITTLE, space.total // 10):
        severity = "error" if space.free < min(SCARCE, space.total // 50) else "warning"
        what = f"{format_size(space.free)} of {format_size(space.total)} are free under {place}"
        yield Finding(f"{prefix}-space", "error" if severity == "error" else "warning", what, remedy)
    if space.inodes and space.inodes_free < min(100_000, space.inodes // 20):
        what = (
            f"{space.inodes_free} of {space.inodes} inodes are free under {place}: no new files once they are used up"
        )
        yield Finding(f"{prefix}-inodes", "warning", what, remedy)
