"""Record and remove what a private engine leaves on the machine."""

import ctypes
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.engine import EnginePaths, binfmt, distribution, ensure_root_directory, packages
from goldi_tasks.errors import EngineFailed

# Directories that dockerd and containerd create at fixed paths; deepest first.
_SHARED_DIRECTORIES = [f"/opt/containerd{part}" for part in ("/bin", "/lib", "")] + ["/etc/docker"]
_SHARED_DIRECTORIES += [f"/run/{name}" for name in ("docker/plugins", "docker", "containerd/s", "containerd", "runc")]
_IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_ACCEPT_RULES = "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"


def remember(paths: EnginePaths) -> None:
    """Record, the first time, what did not exist before us: only that may be removed. Raises EngineFailed."""
    record = ensure_root_directory(paths.data, 0o711) / "made.json"
    if record.exists():
        return
    plugin_folders = (f"{paths.local}/lib/docker/cli-plugins", f"{paths.local}/lib/docker")
    missing = [path for path in (*_SHARED_DIRECTORIES, *plugin_folders) if not os.path.lexists(path)]
    missing += ["docker0"] if "docker0" not in _interfaces() else []
    missing += ["ip_forward"] if _IP_FORWARD.read_text(encoding="ascii").strip() == "0" else []
    draft = record.with_suffix(".new")
    draft.write_text(json.dumps(missing), encoding="utf-8")
    draft.rename(record)


def processes(names: tuple[str, ...], mark: str) -> set[int]:
    """Return the live pids with one of `names` (at most 15 characters) and with `mark` in their arguments."""
    pids = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            status, line = ((entry / part).read_text(errors="replace") for part in ("status", "cmdline"))
            if distribution.is_alive(status, line, names, mark):
                pids.add(int(entry.name))
    return pids


def end_processes(paths: EnginePaths, part: str = "") -> None:
    """Kill what survives a killed engine, by its cgroup: containers and build steps, or only those of one `part`."""
    deadline = time.monotonic() + 10
    while (pids := _surviving_pids(paths, part)) and time.monotonic() < deadline:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    # The state of build steps is in runc's default directory.
    for folder in _cgroups(paths, "buildkit"):
        shutil.rmtree(f"/run/runc/{folder.name}", ignore_errors=True)
        folder.rmdir()


def unmount(paths: EnginePaths) -> None:
    """Unmount all that is mounted below the engine's directories. Raises EngineFailed if something stays mounted."""
    for path in _mount_points(paths):
        # umount2(2), lazily. Small systems lack the program.
        ctypes.CDLL(None).umount2(os.fsencode(path), 2)
    if remaining := _mount_points(paths):
        raise EngineFailed(f"{remaining[0]} is still mounted", "Unmount it and run this again")


def wipe(paths: EnginePaths) -> None:
    """Remove everything that a stopped engine has left; may be killed and run again. Raises EngineFailed."""
    record = paths.data / "made.json"
    created = json.loads(record.read_text(encoding="utf-8")) if record.exists() else []
    _wipe_network(paths, created)
    for cgroup in _cgroups(paths, ""):
        cgroup.rmdir()
    packages.unlink(paths)
    binfmt.unregister(paths)
    _wipe_shims(paths)
    for path in (Path(path) for path in created if path.startswith("/")):
        with suppress(OSError):
            path.rmdir()
    paths.socket.unlink(missing_ok=True)
    # The data directory comes last: it has the record.
    for tree in (*paths.prefix.parent.glob(f"{paths.prefix.name}.*"), paths.prefix, paths.run, paths.data):
        if os.path.lexists(tree):
            shutil.rmtree(ensure_root_directory(tree))
    paths.run.with_suffix(".lock").unlink()


def _wipe_network(paths: EnginePaths, created: list[str]) -> None:
    """Remove bridges, rules and chains; what another running engine also uses stays."""
    database = paths.data / "docker/network/files/local-kv.db"
    database_bytes = database.read_bytes() if database.exists() else b""
    bridges = [name for name in _interfaces() if f'"BridgeName":"{name}"'.encode() in database_bytes]
    bridges = [name for name in bridges if name != "docker0" or name in created]
    is_alone = not any(map(_shares_network, processes(("dockerd",), "")))
    env = {"PATH": paths.path}
    if shutil.which("iptables-save", path=paths.path):
        rules = distribution.wipe_rules(process.capture(Command(("iptables-save",), env)), bridges, is_alone)
        rules += _ACCEPT_RULES if is_alone and "ip_forward" in created else ""
        process.capture(Command(("iptables-restore", "--noflush"), env), stdin=rules)
    if is_alone and "ip_forward" in created:
        _IP_FORWARD.write_text("0", encoding="ascii")
    for name in bridges:
        _remove_bridge(name)


def _remove_bridge(name: str) -> None:
    """Remove a bridge by SIOCSIFFLAGS (down) and SIOCBRDELBR: small systems lack iproute2."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", name.encode(), 0))
        fcntl.ioctl(any_socket, 0x89A1, name.encode().ljust(16, b"\0"))


def _wipe_shims(paths: EnginePaths) -> None:
    """Remove the sockets of killed shims: they are in one directory for every containerd."""
    for file in paths.run.glob("exec/containerd/daemon/io.containerd.runtime.v2.task/*/*/*"):
        if file.name in ("address", "bootstrap.json"):
            for path in re.findall(r"unix://(/run/containerd/s/[0-9a-f]+)", file.read_text(encoding="utf-8")):
                Path(path).unlink(missing_ok=True)


def _surviving_pids(paths: EnginePaths, part: str) -> set[int]:
    """Return the pids in our cgroups, and without a `part` the engine's own processes."""
    pids = set() if part else processes(("dockerd", "containerd", "containerd-shim", "runc"), f"{paths.run}/")
    for cgroup in _cgroups(paths, part):
        with suppress(OSError):
            pids |= set(map(int, (cgroup / "cgroup.procs").read_text(encoding="ascii").split()))
    return pids


def _cgroups(paths: EnginePaths, part: str) -> list[Path]:
    """Return our cgroups of every hierarchy, or those below one `part`, innermost first."""
    roots = [
        hierarchy / paths.run.name / part for hierarchy in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*/"))
    ]
    return [Path(folder) for hierarchy in roots for folder, _, _ in os.walk(hierarchy, topdown=False)]


def _shares_network(pid: int) -> bool:
    """Return whether the process has our network namespace."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()
    return False


def _mount_points(paths: EnginePaths) -> list[str]:
    """Return what is mounted below the engine's directories, the last mount first."""
    rows = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    points = [row.split()[4].encode().decode("unicode_escape") for row in reversed(rows)]
    return [path for path in points if path.startswith((f"{paths.run}/", f"{paths.data}/"))]


def _interfaces() -> list[str]:
    return [name for _, name in socket.if_nameindex()]
