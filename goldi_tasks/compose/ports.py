"""Check whether a port is in use and by what, and find the variable of the compose file that sets it."""

import errno
import json
import os
import re
import socket
from contextlib import suppress
from pathlib import Path

from goldi_tasks import envfile, process
from goldi_tasks.command import Command
from goldi_tasks.compose.compose_arguments import Compose
from goldi_tasks.compose.stack_model import Port, Service
from goldi_tasks.errors import CommandFailed
from goldi_tasks.settings import Settings

_TCP_LISTEN = "0A"
_COMPOSE_FILE = "infrastructure/docker/docker-compose.yml"
_PUBLISHED = re.compile(r"published:\s*[\"']?\$\{(\w+)(?::?-(\d+))?\}")


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


def variable(settings: Settings, compose: Compose, service: Service, port: Port) -> str:
    """Return the name of the variable that sets a published port; "" if there is none, or it is not known."""
    command = compose.command(("*",), "config", "--no-interpolate", "--format", "json")
    try:
        published_ports = json.loads(process.capture(command, cwd=settings.project))["services"][service.name]["ports"]
        published = next(str(entry["published"]) for entry in published_ports if int(entry["target"]) == port.target)
    except CommandFailed:
        # Since 2.40 compose rejects a `host_ip` with a variable in it as an invalid address.
        return _search_files(settings, compose, port)
    except (ValueError, LookupError, TypeError, StopIteration):
        return ""
    match = re.match(r"\$\{(\w+)", published)
    return match[1] if match else ""


def _search_files(settings: Settings, compose: Compose, port: Port) -> str:
    """Search the compose files for the only variable after `published:` whose value is this port's number."""
    values = envfile.read(settings.made_images) | dict(os.environ) | dict(compose.env)
    file_names = compose.files or (*(file.name for file in settings.project.glob("*compose.y*ml")), _COMPOSE_FILE)
    files = [settings.project / name for name in file_names]
    text = "".join(_read(file) for file in files)
    names = {name for name, default in _PUBLISHED.findall(text) if (values.get(name) or default) == str(port.number)}
    return names.pop() if len(names) == 1 else ""


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
