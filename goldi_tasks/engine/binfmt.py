"""Emulators of other processors, unpacked privately and registered with the kernel; nothing is installed."""

import ctypes
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.engine import Place, as_root, emulation, lock, own, packages, platforms
from goldi_tasks.engine.emulation import BINFMT
from goldi_tasks.errors import CommandFailed, EngineFailed

# How Debian's qemu knows, on old kernels too, that it was given the name a program was started by.
_PROGRAM = "{}-binfmt-P"


def found() -> list[platforms.Row]:
    """Which platforms run here."""
    return platforms.rows(emulation.ask())


def install(place: Place) -> None:
    """See to it that every platform runs here. Raises EngineFailed, NoPermission."""
    lacking = [row.platform for row in found() if row.runs == "no"]
    if not lacking:
        print("every platform runs here already")
    elif process.is_dry():
        print(f"would fetch qemu-user and register an emulator of {' and '.join(lacking)}")
    elif not as_root("binfmt"):
        with lock(place):
            for platform in lacking:
                _fetch(place, platform)
            register(place)
        print(f"{' and '.join(lacking)} runs here, emulated")


def uninstall(place: Place) -> None:
    """Remove what `install` registered, and the emulators. Raises EngineFailed, NoPermission."""
    if not os.path.lexists(place.data / "binfmt"):
        print("no emulator here is of our making: nothing to do")
    elif process.is_dry():
        print(f"would remove the emulators in {place.data / 'binfmt'} from the kernel and the disk")
    elif not as_root("no-binfmt"):
        with lock(place):
            unregister(place)
            shutil.rmtree(own(place.data / "binfmt"))
        print("our emulators are removed")


def register(place: Place) -> None:
    """Register what lies in our directory and is not: after a boot, too. Raises EngineFailed."""
    for platform, emulator in platforms.EMULATORS.items():
        program = place.data / "binfmt" / _PROGRAM.format(emulator.architecture)
        if program.is_file():
            # The kernel may have it where nobody sees: below a /proc that is another's.
            _mount(place)
            if not (BINFMT / emulator.handler).exists():
                _write(BINFMT / "register", platforms.registration(platform, str(program)))


def unregister(place: Place) -> None:
    """Take from the kernel what is ours, by the path of its program; a mount that we made, if nothing else uses it."""
    for handler in emulation.handlers():
        if Path(handler.program).parent == place.data / "binfmt":
            _write(BINFMT / handler.name, "-1")
    if (place.data / "binfmt/mounted").exists() and {path.name for path in BINFMT.iterdir()} == {"register", "status"}:
        ctypes.CDLL(None).umount2(os.fsencode(BINFMT), 2)


def _mount(place: Place) -> None:
    if (BINFMT / "register").exists():
        return
    source = b"binfmt_misc"
    failed = ctypes.CDLL(None, use_errno=True).mount(source, os.fsencode(BINFMT), source, 0, None)
    if failed or not (BINFMT / "register").exists():
        said = os.strerror(ctypes.get_errno())
        remedy = "Load the kernel's module (`modprobe binfmt_misc`), or do this on the host of this container"
        raise EngineFailed(f"{BINFMT} cannot be mounted: {said}", remedy)
    (place.data / "binfmt/mounted").touch()


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="ascii")
    except OSError as error:
        raise EngineFailed(f"the kernel takes no handler: {error.strerror}", "See `dmesg`") from error


def _fetch(place: Place, platform: str) -> None:
    """The emulator of `platform`, unpacked into our directory, if it is not there."""
    emulator = platforms.EMULATORS[platform]
    own(place.data, 0o711)
    target = own(place.data / "binfmt") / _PROGRAM.format(emulator.architecture)
    if target.is_file():
        return
    print(f"fetching {emulator.program} (70 MB)")

    def take(unpacked: Path) -> None:
        names = (emulator.program, f"{emulator.program}-static")
        program = next((path for name in names if (path := unpacked / "usr/bin" / name).is_file()), None)
        if program is None:
            raise EngineFailed(f"the package has no {emulator.program}", "Install your release's qemu-user-static")
        draft = target.with_suffix(".new")
        shutil.copyfile(program, draft)
        draft.chmod(0o755)
        _try(draft)
        draft.rename(target)

    _unpacked(place, take)


def _unpacked(place: Place, take: Callable[[Path], None]) -> None:
    folder = place.data / "binfmt/package"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        take(packages.unpacked(folder, "qemu-user", "qemu-user-static"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _try(program: Path) -> None:
    """A program that does not run by itself would not in a container."""
    try:
        process.capture(Command((str(program), "--version")))
    except CommandFailed as error:
        raise EngineFailed(f"the emulator does not run here: {error.problem}", "Install your release's own") from error
