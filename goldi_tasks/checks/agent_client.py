"""Run a check through the agent in a tools container, with our standard streams, which is faster than `docker exec`.

This needs an engine on this machine's kernel, not in a VM, and a caller that needs no terminal: only docker provides
one in which Ctrl-C and job control work.
"""

import json
import os
import socket
from contextlib import suppress

from goldi_tasks.checks.check_arguments import Job, ToolsContainer
from goldi_tasks.errors import Interrupted

# Seconds that the agent gets to end a check.
_END_TIMEOUT = 3.0


def run(tools: ToolsContainer, job: Job) -> list[str] | None:
    """Run `job` and return the agent's reports, the same words that job.sh writes to a check's file.

    Return None where no agent answers, or our descriptors do not reach it. Raises Interrupted.
    """
    request = {"argv": job.argv, "env": {**job.env, **job.secrets}, "cwd": str(job.cwd)}
    line = json.dumps(request).encode() + b"\n"
    with socket.socket(socket.AF_UNIX) as agent:
        try:
            _connect(agent, tools)
            sent = socket.send_fds(agent, [line], [0, 1, 2])
            agent.sendall(line[sent:])
        except OSError:
            return None
        try:
            reports = _read_reports(agent)
        except KeyboardInterrupt:
            _end(agent)
            raise Interrupted from None
    return None if reports == ["blind"] else reports


def _connect(agent: socket.socket, tools: ToolsContainer) -> None:
    """Connect through a descriptor of the directory: a socket's path is limited to 107 characters. Raises OSError."""
    directory = os.open(tools.shared, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        agent.connect(f"/proc/self/fd/{directory}/{tools.socket}")
    finally:
        os.close(directory)


def _read_reports(agent: socket.socket) -> list[str]:
    received = b""
    with suppress(ConnectionError):
        while data := agent.recv(4096):
            received += data
    return received.decode().split()


def _end(agent: socket.socket) -> None:
    """Have the agent end the check, and wait for that; a second Ctrl-C ends the wait."""
    with suppress(OSError, KeyboardInterrupt):
        agent.settimeout(_END_TIMEOUT)
        agent.sendall(b"!")
        _read_reports(agent)
