"""Whether a port is taken, and by whom."""

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.compose.stack_model import Port
from goldi_tasks.errors import CommandFailed

_LISTENS = "0A"


def taken(port: Port) -> bool:
    """Whether somebody on this machine listens there."""
    family = socket.AF_INET6 if ":" in port.host else socket.AF_INET
    kind = socket.SOCK_DGRAM if port.protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as probe:
        # What has been closed just now holds a port for a minute, and nobody else from it.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.host, port.number))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def holder(port: Port) -> str:
    """Who listens there: a container by its name, or a process by its name and number."""
    filters = ("--filter", f"publish={port.number}/{port.protocol}")
    with suppress(CommandFailed):
        if names := process.capture(Command(("docker", "ps", *filters, "--format", "{{.Names}}"))).split():
            return f"the container {names[0]}"
    wanted = {f"socket:[{inode}]" for inode in _inodes(port)}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted & {os.readlink(link) for link in (entry / "fd").iterdir()}:  # noqa: PTH115 - no path
                return f"{(entry / 'comm').read_text(encoding='utf-8').strip()} (process {entry.name})"
    return "another user's process"


def _inodes(port: Port) -> set[str]:
    """The sockets that listen on a port (proc(5), /proc/net/tcp)."""
    found = set()
    for name in (port.protocol, f"{port.protocol}6"):
        with suppress(OSError):
            for line in Path("/proc/net", name).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if int(fields[1].rpartition(":")[2], 16) == port.number and (
                    port.protocol == "udp" or fields[3] == _LISTENS
                ):
                    found.add(fields[9])
    return found
