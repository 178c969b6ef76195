"""Which platforms run here, natively or emulated, and how an emulator is registered with the kernel."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from goldi_tasks.engine.emulation import Asked
from goldi_tasks.invocation import as_typed

SET_UP = "Run `inv build.binfmt --install`"
# Handlers of this name are ours; others have theirs.
OURS = "goldi-"


@dataclass(frozen=True)
class Emulator:
    """A program of QEMU, and by which bytes of an ELF header the kernel knows what is for it.

    Source: https://gitlab.com/qemu-project/qemu/-/blob/master/scripts/qemu-binfmt-conf.sh
    """

    architecture: str
    machine: int
    mask: str

    @property
    def program(self) -> str:
        """Its name in Debian's package qemu-user."""
        return f"qemu-{self.architecture}"

    @property
    def handler(self) -> str:
        """The name under which we register it."""
        return f"{OURS}{self.architecture}"


EMULATORS = {
    "linux/amd64": Emulator("x86_64", 0x3E, "ff" * 5 + "fefefc" + "ff" * 8 + "feffffff"),
    "linux/arm64": Emulator("aarch64", 0xB7, "ff" * 7 + "00" + "ff" * 8 + "feffffff"),
}


@dataclass(frozen=True)
class Row:
    """A platform: whether it `runs` here (`native`, `emulated` or `no`), by which program, and what is wrong."""

    platform: str
    runs: str
    by: str = ""
    ours: bool = False
    wrong: str = ""


def registration(platform: str, program: str) -> str:
    """What is written to binfmt_misc's `register` for the emulator of `platform` that lies at `program`.

    The flags are Debian's: O and P for the program's own file and name, F to keep the emulator open, so that
    containers, where its path leads to nothing, have it too.
    """
    emulator = EMULATORS[platform]
    magic = "7f454c46020101" + "00" * 9 + "0200" + emulator.machine.to_bytes(2, "little").hex()
    return f":{emulator.handler}:M::{_bytes(magic)}:{_bytes(emulator.mask)}:{program}:OPF"


def _bytes(digits: str) -> str:
    return "".join(f"\\x{digits[at : at + 2]}" for at in range(0, len(digits), 2))


def runs(inspect: str) -> list[str]:
    """The builder's platforms without the variants of a processor: what it has native is one."""
    found = re.search(r"^Platforms:\s+(.*)$", inspect, re.M)
    words = found[1].replace("*", "").replace(",", " ").split() if found else []
    # Newer ones count variants: `linux/amd64 (+3)`.
    return list(dict.fromkeys("/".join(word.split("/")[:2]) for word in words if "/" in word))


def rows(asked: Asked) -> list[Row]:
    """What there is to say of each platform that images are made for."""
    return [_row(platform, asked) for platform in sorted({*EMULATORS, asked.native})]


def _row(platform: str, asked: Asked) -> Row:
    if platform == asked.native:
        return Row(platform, "native", "this processor")
    can = runs(asked.inspect)
    fitting = [one for one in asked.handlers if one.machine == EMULATORS[platform].machine and one.enabled]
    good = [one for one in fitting if "F" in one.flags]
    if good and (asked.decide or platform in can):
        return Row(platform, "emulated", good[0].program, ours=good[0].name.startswith(OURS))
    if platform in can and not asked.decide:
        return Row(platform, "emulated", "the builder's own means")
    if fitting and not good:
        wrong = f"the handler {fitting[0].name} is registered without the flag F: containers do not find its program"
        return Row(platform, "no", wrong=wrong)
    return Row(platform, "no", wrong="no emulator")


def lines(found: Sequence[Row]) -> Iterator[str]:
    """They for people."""
    for row in found:
        yield f"{row.platform:<13} {row.runs:<9} {row.by or row.wrong}{' (ours)' if row.ours else ''}"
    if any(row.runs == "no" for row in found):
        yield as_typed(f"{SET_UP} (as root or through sudo) to run the others by emulation")


def as_json(found: Sequence[Row]) -> list[dict[str, Any]]:
    """They for scripts."""
    return [asdict(row) for row in found]
