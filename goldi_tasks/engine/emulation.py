"""What this machine's kernel and builder say of other processors: which handlers there are, what the builder runs."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, NoDocker, NoEngine

BINFMT = Path("/proc/sys/fs/binfmt_misc")


@dataclass(frozen=True)
class Handler:
    """A program that the kernel starts by itself for another architecture's, with its flags (binfmt_misc).

    `machine` is the number of that architecture in a program's ELF header, None where it goes by something else.
    """

    name: str
    enabled: bool
    flags: str
    program: str = ""
    machine: int | None = None


def handlers(folder: Path = BINFMT) -> tuple[Handler, ...]:
    """The emulators that the kernel knows."""
    names = sorted(folder.iterdir()) if folder.is_dir() else []
    files = [file for file in names if file.name not in ("register", "status") and os.access(file, os.R_OK)]
    found = (parse(file.name, file.read_text(encoding="utf-8", errors="replace")) for file in files)
    return tuple(handler for handler in found if handler.machine is not None)


def parse(name: str, text: str) -> Handler:
    """A handler as the kernel prints it (Documentation/admin-guide/binfmt-misc.rst)."""
    said = dict(re.findall(r"^(interpreter|flags:|magic)[ \t]*(\S*)$", text, re.M))
    # e_machine of an ELF header, little endian: the last two of 20 bytes.
    magic = re.fullmatch(r"7f454c46\w{28}(\w\w)(\w\w)", said.get("magic", ""))
    machine = int(magic[2] + magic[1], 16) if magic else None
    return Handler(name, text.startswith("enabled"), said.get("flags:", ""), said.get("interpreter", ""), machine)


@dataclass(frozen=True)
class Asked:
    """What there is to know before it can be said what runs: the engine's own platform, builder and kernel.

    `inspect` is what buildx says of the builder ("" where none answers), `decide` whether the kernel's `handlers` alone
    decide, whatever the builder says.
    """

    native: str
    inspect: str = ""
    handlers: tuple[Handler, ...] = ()
    decide: bool = False


def ask() -> Asked:
    """Ask the engine's builder, if there is one, and this machine's kernel."""
    try:
        docker = system_info.docker()
    except (NoDocker, NoEngine):
        return Asked(system_info.host().platform, "", handlers(), decide=True)
    ours = not docker.exports_local and system_info.BUILDER in docker.builders
    # An engine's builder goes on naming what it has once run, after the handler has gone; a container's has its own.
    decide = docker.driver == "docker" and not ours and docker.kernel == platform.release()
    return Asked(docker.platform, _inspected(system_info.BUILDER if ours else ""), handlers(), decide=decide)


def _inspected(builder: str) -> str:
    try:
        return process.capture(Command(("docker", "buildx", "inspect", *([builder] if builder else []))))
    except CommandFailed:
        return ""
