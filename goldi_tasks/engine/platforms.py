"""Determine which platforms run here, natively or emulated, and how an emulator is registered."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from goldi_tasks.engine.emulation import EmulationFacts
from goldi_tasks.invocation import as_typed

SET_UP = "Run `inv build.binfmt --install`"
# The prefix of our handlers' names.
OURS = "goldi-"


@dataclass(frozen=True)
class Emulator:
    """A program of QEMU, and the bytes of an ELF header by which the kernel selects it.

    Source: https://gitlab.com/qemu-project/qemu/-/blob/master/scripts/qemu-binfmt-conf.sh
    """

    architecture: str
    machine: int
    mask: str

    @property
    def program(self) -> str:
        """Return its name in Debian's package qemu-user."""
        return f"qemu-{self.architecture}"

    @property
    def handler(self) -> str:
        """Return the name under which we register it."""
        return f"{OURS}{self.architecture}"


EMULATORS = {
    "linux/amd64": Emulator("x86_64", 0x3E, "ff" * 5 + "fefefc" + "ff" * 8 + "feffffff"),
    "linux/arm64": Emulator("aarch64", 0xB7, "ff" * 7 + "00" + "ff" * 8 + "feffffff"),
}


@dataclass(frozen=True)
class PlatformSupport:
    """A platform: whether it `runs` here (`native`, `emulated` or `no`), by which program, and what is wrong."""

    platform: str
    runs: str
    by: str = ""
    ours: bool = False
    wrong: str = ""


def registration(platform: str, program: str) -> str:
    """Return what is written to binfmt_misc's `register` for the emulator of `platform` at the path `program`.

    The flags are Debian's: O and P pass the program's open file and argv[0]. F keeps the emulator open, so that it
    works in containers, where its path does not exist.
    """
    emulator = EMULATORS[platform]
    magic = "7f454c46020101" + "00" * 9 + "0200" + emulator.machine.to_bytes(2, "little").hex()
    return f":{emulator.handler}:M::{_escape(magic)}:{_escape(emulator.mask)}:{program}:OPF"


def _escape(digits: str) -> str:
    return "".join(f"\\x{digits[index : index + 2]}" for index in range(0, len(digits), 2))


def runs(inspect: str) -> list[str]:
    """Return the builder's platforms without processor variants: those are of one native platform."""
    match = re.search(r"^Platforms:\s+(.*)$", inspect, re.M)
    names = match[1].replace("*", "").replace(",", " ").split() if match else []
    # Newer versions of buildx count variants: `linux/amd64 (+3)`.
    return list(dict.fromkeys("/".join(name.split("/")[:2]) for name in names if "/" in name))


def rows(facts: EmulationFacts) -> list[PlatformSupport]:
    """Return the support of each platform that images are made for."""
    return [_build_row(platform, facts) for platform in sorted({*EMULATORS, facts.native})]


def _build_row(platform: str, facts: EmulationFacts) -> PlatformSupport:
    if platform == facts.native:
        return PlatformSupport(platform, "native", "this processor")
    builder_platforms = runs(facts.inspect)
    matching = [
        handler for handler in facts.handlers if handler.machine == EMULATORS[platform].machine and handler.enabled
    ]
    usable = [handler for handler in matching if "F" in handler.flags]
    if usable and (facts.decide or platform in builder_platforms):
        return PlatformSupport(platform, "emulated", usable[0].program, ours=usable[0].name.startswith(OURS))
    if platform in builder_platforms and not facts.decide:
        return PlatformSupport(platform, "emulated", "the builder's own emulator")
    if matching and not usable:
        wrong = f"the handler {matching[0].name} is registered without the flag F: containers do not find its program"
        return PlatformSupport(platform, "no", wrong=wrong)
    return PlatformSupport(platform, "no", wrong="no emulator")


def format_platforms(platform_rows: Sequence[PlatformSupport]) -> Iterator[str]:
    """Format platforms for people."""
    for row in platform_rows:
        yield f"{row.platform:<13} {row.runs:<9} {row.by or row.wrong}{' (ours)' if row.ours else ''}"
    if any(row.runs == "no" for row in platform_rows):
        yield as_typed(f"{SET_UP} (as root or through sudo) to run the others by emulation")


def as_json(platform_rows: Sequence[PlatformSupport]) -> list[dict[str, Any]]:
    """Format platforms for scripts."""
    return [asdict(row) for row in platform_rows]
