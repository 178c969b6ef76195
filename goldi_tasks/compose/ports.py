"""Check whether a port is in use, and by which container or process."""

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.compose.stack_model import Port
from goldi_tasks.errors import CommandFailed

_TCP_LISTEN = "0A"


def taken(port: Port) -> bool:
    """Return whether a process on this machine listens on the port."""
    family = socket.AF_INET6 if ":" in port.host else socket.AF_INET
    kind = socket.SOCK_DGRAM if port.protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as probe:
        # A closed connection keeps its port in TIME_WAIT for a minute, which does not prevent listening on it.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.host, port.number))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def holder(port: Port) -> str:
    """Return who listens on the port: a container by its name, or a process by its name and number."""
    filters = ("--filter", f"publish={port.number}/{port.protocol}")
    with suppress(CommandFailed):
        if container_names := process.capture(Command(("docker", "ps", *filters, "--format", "{{.Names}}"))).split():
            return f"the container {container_names[0]}"
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if sockets & {os.readlink(link) for link in (entry / "fd").iterdir()}:  # noqa: PTH115 - no path
                return f"{(entry / 'comm').read_text(encoding='utf-8').strip()} (process {entry.name})"
    return "another user's process"


def _inodes(port: Port) -> set[str]:
    """Return the inodes of the sockets that listen on a port (proc(5), /proc/net/tcp)."""
    inodes = set()
    for name in (port.protocol, f"{port.protocol}6"):
        with suppress(OSError):
            for line in Path("/proc/net", name).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if int(fields[1].rpartition(":")[2], 16) == port.number and (
                    port.protocol == "udp" or fields[3] == _TCP_LISTEN
                ):
                    inodes.add(fields[9])
    return inodes
