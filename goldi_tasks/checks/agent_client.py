"""A check handed to the agent in a tools container, with our own input and output, without `docker exec` and its cost.

It takes an engine on this machine's own kernel, not in a VM, and a caller who needs no terminal: only docker gives one
in which Ctrl-C and job control work.
"""

import json
import os
import socket
from contextlib import suppress

from goldi_tasks.checks.check_arguments import Job, Tools
from goldi_tasks.errors import Interrupted

# Seconds that the agent gets to end a check.
_END = 3.0


def run(tools: Tools, job: Job) -> list[str] | None:
    """Run `job`; what the agent says of it, word by word, as job.sh writes it to a check's file.

    None where there is no agent to talk to, or our descriptors do not reach it. Raises Interrupted.
    """
    asked = {"argv": job.argv, "env": {**job.env, **job.secrets}, "cwd": str(job.cwd)}
    line = json.dumps(asked).encode() + b"\n"
    with socket.socket(socket.AF_UNIX) as agent:
        try:
            _connect(agent, tools)
            sent = socket.send_fds(agent, [line], [0, 1, 2])
            agent.sendall(line[sent:])
        except OSError:
            return None
        try:
            words = _hear(agent)
        except KeyboardInterrupt:
            _end(agent)
            raise Interrupted from None
    return None if words == ["blind"] else words


def _connect(agent: socket.socket, tools: Tools) -> None:
    """By way of a descriptor of the directory: the path of a socket may have 107 characters."""
    folder = os.open(tools.shared, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        agent.connect(f"/proc/self/fd/{folder}/{tools.socket}")
    finally:
        os.close(folder)


def _hear(agent: socket.socket) -> list[str]:
    said = b""
    with suppress(ConnectionError):
        while data := agent.recv(4096):
            said += data
    return said.decode().split()


def _end(agent: socket.socket) -> None:
    """A second Ctrl-C does not wait for the end."""
    with suppress(OSError, KeyboardInterrupt):
        agent.settimeout(_END)
        agent.sendall(b"!")
        _hear(agent)
