"""What an engine leaves on a machine, and how it is wiped."""

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
from goldi_tasks.engine import Place, binfmt, distribution, own, packages
from goldi_tasks.errors import EngineFailed

# Directories that dockerd and containerd make in fixed places; deepest first.
_SHARED = [f"/opt/containerd{part}" for part in ("/bin", "/lib", "")] + ["/etc/docker"]
_SHARED += [f"/run/{name}" for name in ("docker/plugins", "docker", "containerd/s", "containerd", "runc")]
_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_ACCEPT = "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"


def remember(place: Place) -> None:
    """Note, the first time, what was not on the machine before us: only that is ours to remove."""
    note = own(place.data, 0o711) / "made.json"
    if note.exists():
        return
    local = (f"{place.local}/lib/docker/cli-plugins", f"{place.local}/lib/docker")
    made = [path for path in (*_SHARED, *local) if not os.path.lexists(path)]
    made += ["docker0"] if "docker0" not in _interfaces() else []
    made += ["ip_forward"] if _FORWARD.read_text(encoding="ascii").strip() == "0" else []
    draft = note.with_suffix(".new")
    draft.write_text(json.dumps(made), encoding="utf-8")
    draft.rename(note)


def processes(names: tuple[str, ...], mark: str) -> set[int]:
    """The living processes with one of `names` (15 letters at most) and `mark` in their arguments."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            status, line = ((entry / part).read_text(errors="replace") for part in ("status", "cmdline"))
            if distribution.is_alive(status, line, names, mark):
                found.add(int(entry.name))
    return found


def end_processes(place: Place, part: str = "") -> None:
    """Kill what outlives a killed engine, by its cgroup: containers and build steps, or those of one `part`."""
    end = time.monotonic() + 10
    while (found := _outliving(place, part)) and time.monotonic() < end:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    # A build step's state has a fixed place, for whoever uses runc without naming one.
    for folder in _cgroups(place, "buildkit"):
        shutil.rmtree(f"/run/runc/{folder.name}", ignore_errors=True)
        folder.rmdir()


def unmount(place: Place) -> None:
    """Whatever is still mounted below the engine's directories. Raises EngineFailed if something stays."""
    for path in _mounts(place):
        # umount2(2), lazily. Small systems lack the program.
        ctypes.CDLL(None).umount2(os.fsencode(path), 2)
    if below := _mounts(place):
        raise EngineFailed(f"{below[0]} is still mounted", "Unmount it and run this again")


def wipe(place: Place) -> None:
    """Everything that a stopped engine has left; may be killed and run again. Raises EngineFailed."""
    note = place.data / "made.json"
    made = json.loads(note.read_text(encoding="utf-8")) if note.exists() else []
    _wipe_network(place, made)
    for cgroup in _cgroups(place, ""):
        cgroup.rmdir()
    packages.unlink(place)
    binfmt.unregister(place)
    _wipe_shims(place)
    for path in (Path(path) for path in made if path.startswith("/")):
        with suppress(OSError):
            path.rmdir()
    place.socket.unlink(missing_ok=True)
    # The data come last: they hold the note.
    for ours in (*place.prefix.parent.glob(f"{place.prefix.name}.*"), place.prefix, place.run, place.data):
        if os.path.lexists(ours):
            shutil.rmtree(own(ours))
    place.run.with_suffix(".lock").unlink()


def _wipe_network(place: Place, made: list[str]) -> None:
    """Bridges, rules and chains. Where another engine lives beside ours, what both use stays."""
    database = place.data / "docker/network/files/local-kv.db"
    known = database.read_bytes() if database.exists() else b""
    bridges = [name for name in _interfaces() if f'"BridgeName":"{name}"'.encode() in known]
    bridges = [name for name in bridges if name != "docker0" or name in made]
    alone = not any(map(_shares_network, processes(("dockerd",), "")))
    tool = {"PATH": place.path}
    if shutil.which("iptables-save", path=place.path):
        rules = distribution.wipe_rules(process.capture(Command(("iptables-save",), tool)), bridges, alone)
        rules += _ACCEPT if alone and "ip_forward" in made else ""
        process.capture(Command(("iptables-restore", "--noflush"), tool), stdin=rules)
    if alone and "ip_forward" in made:
        _FORWARD.write_text("0", encoding="ascii")
    for name in bridges:
        _remove_bridge(name)


def _remove_bridge(name: str) -> None:
    """Without iproute2, which small systems lack: SIOCSIFFLAGS takes it down, SIOCBRDELBR removes it."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", name.encode(), 0))
        fcntl.ioctl(any_socket, 0x89A1, name.encode().ljust(16, b"\0"))


def _wipe_shims(place: Place) -> None:
    """Sockets of killed shims: they have one fixed place for every containerd."""
    for file in place.run.glob("exec/containerd/daemon/io.containerd.runtime.v2.task/*/*/*"):
        if file.name in ("address", "bootstrap.json"):
            for path in re.findall(r"unix://(/run/containerd/s/[0-9a-f]+)", file.read_text(encoding="utf-8")):
                Path(path).unlink(missing_ok=True)


def _outliving(place: Place, part: str) -> set[int]:
    """Processes in our cgroups, and without a `part` the engine's own."""
    ours = set() if part else processes(("dockerd", "containerd", "containerd-shim", "runc"), f"{place.run}/")
    for cgroup in _cgroups(place, part):
        with suppress(OSError):
            ours |= set(map(int, (cgroup / "cgroup.procs").read_text(encoding="ascii").split()))
    return ours


def _cgroups(place: Place, part: str) -> list[Path]:
    """Our cgroups of every hierarchy, or those below one `part`, innermost first."""
    tops = [top / place.run.name / part for top in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*/"))]
    return [Path(folder) for top in tops for folder, _, _ in os.walk(top, topdown=False)]


def _shares_network(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()
    return False


def _mounts(place: Place) -> list[str]:
    """What is mounted below the engine's directories, the last first."""
    rows = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    points = [row.split()[4].encode().decode("unicode_escape") for row in reversed(rows)]
    return [path for path in points if path.startswith((f"{place.run}/", f"{place.data}/"))]


def _interfaces() -> list[str]:
    return [name for _, name in socket.if_nameindex()]
