"""Which platforms run here, and how an emulator is registered: values in, values out."""

from pathlib import Path

import pytest

from goldi_tasks.engine import emulation, platforms
from goldi_tasks.engine.emulation import EmulationFacts, Handler

# As the kernel prints Debian's.
KERNEL = """\
enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: POF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""
QEMU = emulation.parse("qemu-aarch64", KERNEL)
INSPECT = "Name: default\nPlatforms:     {}\nLabels:\n"


def arm(asked: EmulationFacts) -> platforms.PlatformSupport:
    (row,) = (row for row in platforms.rows(asked) if row.platform == "linux/arm64")
    return row


def test_a_handler_as_the_kernel_prints_it() -> None:
    assert Handler("qemu-aarch64", True, "POF", "/usr/libexec/qemu-binfmt/aarch64-binfmt-P", 0xB7) == QEMU
    assert not emulation.parse("qemu-aarch64", KERNEL.replace("enabled", "disabled")).enabled
    assert (
        emulation.parse("python3.13", "enabled\ninterpreter /usr/bin/python3\nflags: \nmagic f30d0d0a\n").machine
        is None
    )


def test_handlers_of_other_things_are_left_out(tmp_path: Path) -> None:
    for name, text in (("register", ""), ("status", "enabled\n"), ("qemu-aarch64", KERNEL), ("jar", "enabled\n")):
        (tmp_path / name).write_text(text)
    assert emulation.handlers(tmp_path) == (QEMU,)
    assert emulation.handlers(tmp_path / "not mounted") == ()


@pytest.mark.parametrize(
    ("asked", "runs"),
    [
        (EmulationFacts("linux/arm64"), "native"),
        (EmulationFacts("linux/amd64", handlers=(QEMU,), decide=True), "emulated"),
        # An engine's builder names what it has once run; one with emulators of its own has no need of handlers.
        (EmulationFacts("linux/amd64", INSPECT.format("linux/amd64, linux/arm64"), decide=True), "no"),
        (EmulationFacts("linux/amd64", INSPECT.format("linux/amd64*, linux/arm64*")), "emulated"),
        (EmulationFacts("linux/amd64", INSPECT.format("linux/amd64 (+3)"), (QEMU,)), "no"),
        (EmulationFacts("linux/amd64", handlers=(Handler("a", True, "POF", "/a", 0x3E),), decide=True), "no"),
        (EmulationFacts("linux/amd64", handlers=(Handler("a", False, "POF", "/a", 0xB7),), decide=True), "no"),
    ],
)
def test_what_runs(asked: EmulationFacts, runs: str) -> None:
    assert arm(asked).runs == runs


def test_a_handler_that_containers_do_not_find_is_told() -> None:
    row = arm(EmulationFacts("linux/amd64", handlers=(Handler("qemu-aarch64", True, "OC", "/a", 0xB7),), decide=True))
    assert row.runs == "no"
    assert "without the flag F" in row.wrong
    assert platforms.SET_UP in "\n".join(platforms.format_platforms([row]))


def test_what_is_registered_is_what_the_kernel_then_prints() -> None:
    name, kind, offset, magic, mask, program, flags = platforms.registration("linux/arm64", "/x/aarch64").split(":")[1:]
    assert (name, kind, offset, program, flags) == ("goldi-aarch64", "M", "", "/x/aarch64", "OPF")
    assert f"magic {magic.replace(chr(92) + 'x', '')}\nmask {mask.replace(chr(92) + 'x', '')}\n" in KERNEL
    assert len(platforms.registration("linux/amd64", "/x").encode()) < 1920


@pytest.mark.parametrize(
    ("line", "can"),
    [
        ("linux/amd64, linux/amd64/v2, linux/amd64/v3", ["linux/amd64"]),
        ("linux/amd64*, linux/arm64*, linux/arm/v7", ["linux/amd64", "linux/arm64", "linux/arm"]),
        ("linux/amd64 (+3), linux/386", ["linux/amd64", "linux/386"]),
    ],
)
def test_a_builders_platforms(line: str, can: list[str]) -> None:
    assert platforms.runs(INSPECT.format(line)) == can
