"""Read which emulators the kernel has registered, and which platforms the builder supports."""

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
    """A program that the kernel starts for programs of another architecture, with its flags (binfmt_misc).

    `machine` is that architecture's number in the ELF header, None for a handler that matches something else.
    """

    name: str
    enabled: bool
    flags: str
    program: str = ""
    machine: int | None = None


def handlers(folder: Path = BINFMT) -> tuple[Handler, ...]:
    """Return the emulators that are registered with the kernel."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    files = [file for file in paths if file.name not in ("register", "status") and os.access(file, os.R_OK)]
    parsed = (parse(file.name, file.read_text(encoding="utf-8", errors="replace")) for file in files)
    return tuple(handler for handler in parsed if handler.machine is not None)


def parse(name: str, text: str) -> Handler:
    """Parse a handler as the kernel prints it (Documentation/admin-guide/binfmt-misc.rst)."""
    fields = dict(re.findall(r"^(interpreter|flags:|magic)[ \t]*(\S*)$", text, re.M))
    # e_machine of an ELF header, little endian: the last two of 20 bytes.
    magic = re.fullmatch(r"7f454c46\w{28}(\w\w)(\w\w)", fields.get("magic", ""))
    machine = int(magic[2] + magic[1], 16) if magic else None
    return Handler(name, text.startswith("enabled"), fields.get("flags:", ""), fields.get("interpreter", ""), machine)


@dataclass(frozen=True)
class EmulationFacts:
    """The facts that determine which platforms run: the engine's own platform, builder and kernel.

    `inspect` is the output of `docker buildx inspect` ("" where none answers). With `decide` only the kernel's
    `handlers` count, whatever the builder reports.
    """

    native: str
    inspect: str = ""
    handlers: tuple[Handler, ...] = ()
    decide: bool = False


def ask() -> EmulationFacts:
    """Query the engine's builder, if there is one, and this machine's kernel."""
    try:
        docker = system_info.docker()
    except (NoDocker, NoEngine):
        return EmulationFacts(system_info.host().platform, "", handlers(), decide=True)
    has_own_builder = not docker.exports_local and system_info.BUILDER in docker.builders
    # An engine's builder still lists platforms whose handler was removed; a builder in a container has emulators.
    decide = docker.driver == "docker" and not has_own_builder and docker.kernel == platform.release()
    return EmulationFacts(
        docker.platform, _inspect_builder(system_info.BUILDER if has_own_builder else ""), handlers(), decide=decide
    )


def _inspect_builder(builder: str) -> str:
    try:
        return process.capture(Command(("docker", "buildx", "inspect", *([builder] if builder else []))))
    except CommandFailed:
        return ""
