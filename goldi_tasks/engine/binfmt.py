"""Unpack emulators of other processors into a private directory and register them with the kernel."""

import ctypes
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.engine import EnginePaths, as_root, emulation, ensure_root_directory, lock, packages, platforms
from goldi_tasks.engine.emulation import BINFMT
from goldi_tasks.errors import CommandFailed, EngineFailed

# By this suffix Debian's qemu knows, on old kernels too, that argv[0] of the program is passed (flag P).
_PROGRAM_NAME = "{}-binfmt-P"


def list_platforms() -> list[platforms.PlatformSupport]:
    """Return which platforms run here."""
    return platforms.rows(emulation.ask())


def install(paths: EnginePaths) -> None:
    """Make every platform run here. Raises EngineFailed, NoPermission."""
    missing = [row.platform for row in list_platforms() if row.runs == "no"]
    if not missing:
        print("every platform runs here already")
    elif process.is_dry():
        print(f"would fetch qemu-user and register an emulator of {' and '.join(missing)}")
    elif not as_root("binfmt"):
        with lock(paths):
            for platform in missing:
                _fetch(paths, platform)
            register(paths)
        print(f"{' and '.join(missing)} runs here, emulated")


def uninstall(paths: EnginePaths) -> None:
    """Remove what `install` registered, and the emulators. Raises EngineFailed, NoPermission."""
    if not os.path.lexists(paths.data / "binfmt"):
        print("no emulator was installed by this task: nothing to do")
    elif process.is_dry():
        print(f"would remove the emulators in {paths.data / 'binfmt'} from the kernel and the disk")
    elif not as_root("no-binfmt"):
        with lock(paths):
            unregister(paths)
            shutil.rmtree(ensure_root_directory(paths.data / "binfmt"))
        print("our emulators are removed")


def register(paths: EnginePaths) -> None:
    """Register the unpacked emulators that the kernel does not know, as after a boot. Raises EngineFailed."""
    for platform, emulator in platforms.EMULATORS.items():
        program = paths.data / "binfmt" / _PROGRAM_NAME.format(emulator.architecture)
        if program.is_file():
            # The handlers are visible only where binfmt_misc is mounted, and a container has a /proc of its own.
            _mount(paths)
            if not (BINFMT / emulator.handler).exists():
                _write(BINFMT / "register", platforms.registration(platform, str(program)))


def unregister(paths: EnginePaths) -> None:
    """Remove our handlers, which the path of their program identifies, from the kernel.

    A mount of binfmt_misc that we made is removed if no other handler uses it.
    """
    for handler in emulation.handlers():
        if Path(handler.program).parent == paths.data / "binfmt":
            _write(BINFMT / handler.name, "-1")
    if (paths.data / "binfmt/mounted").exists() and {path.name for path in BINFMT.iterdir()} == {"register", "status"}:
        ctypes.CDLL(None).umount2(os.fsencode(BINFMT), 2)


def _mount(paths: EnginePaths) -> None:
    """Mount binfmt_misc unless it is mounted. Raises EngineFailed."""
    if (BINFMT / "register").exists():
        return
    source = b"binfmt_misc"
    failed = ctypes.CDLL(None, use_errno=True).mount(source, os.fsencode(BINFMT), source, 0, None)
    if failed or not (BINFMT / "register").exists():
        reason = os.strerror(ctypes.get_errno())
        remedy = "Load the kernel's module (`modprobe binfmt_misc`), or do this on the host of this container"
        raise EngineFailed(f"{BINFMT} cannot be mounted: {reason}", remedy)
    (paths.data / "binfmt/mounted").touch()


def _write(file: Path, text: str) -> None:
    """Write to a file of binfmt_misc. Raises EngineFailed."""
    try:
        file.write_text(text, encoding="ascii")
    except OSError as error:
        raise EngineFailed(f"the kernel rejected the handler: {error.strerror}", "See `dmesg`") from error


def _fetch(paths: EnginePaths, platform: str) -> None:
    """Unpack the emulator of `platform` into our directory, if it is missing. Raises EngineFailed."""
    emulator = platforms.EMULATORS[platform]
    ensure_root_directory(paths.data, 0o711)
    target = ensure_root_directory(paths.data / "binfmt") / _PROGRAM_NAME.format(emulator.architecture)
    if target.is_file():
        return
    print(f"fetching {emulator.program} (70 MB)")

    def install_program(files: Path) -> None:
        names = (emulator.program, f"{emulator.program}-static")
        program = next((path for name in names if (path := files / "usr/bin" / name).is_file()), None)
        if program is None:
            raise EngineFailed(f"the package has no {emulator.program}", "Install your release's qemu-user-static")
        draft = target.with_suffix(".new")
        shutil.copyfile(program, draft)
        draft.chmod(0o755)
        _check_runs(draft)
        draft.rename(target)

    _with_package(paths, install_program)


def _with_package(paths: EnginePaths, use_files: Callable[[Path], None]) -> None:
    """Download the package, call `use_files` with its directory, and remove that."""
    folder = paths.data / "binfmt/package"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        use_files(packages.unpacked(folder, "qemu-user", "qemu-user-static"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_runs(program: Path) -> None:
    """Require that the emulator itself runs here: else it would not in a container. Raises EngineFailed."""
    try:
        process.capture(Command((str(program), "--version")))
    except CommandFailed as error:
        raise EngineFailed(
            f"the emulator does not run here: {error.problem}", "Install your release's qemu-user-static"
        ) from error
