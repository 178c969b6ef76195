"""Namespaces of its own for an engine and its users: what is mounted there is nobody else's, and all ends with it."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from goldi_tasks.engine.distribution import IMAGES

BASES = tuple(image.name for image in IMAGES.values())
_CAGE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
# The shell is there to wait for orphans.
_SHELL = ("sh", "-c", '"$@"; exit $?', "sh")
_INSIDE = "import sys; from pathlib import Path; from {0} import inside; sys.exit(inside(Path({1!r}), {2!r}))"


def run(module: str, folder: Path, arguments: Sequence[str], enter: Sequence[str] = ()) -> int:
    """Call `inside(folder, arguments)` of `module` in a cage, through `enter`; its exit code.

    The base images of this machine's engine are its standard input.
    """
    python = (sys.executable, "-c", _INSIDE.format(module, str(folder), list(arguments)))
    with subprocess.Popen(("docker", "save", *BASES), stdout=subprocess.PIPE) as saved:
        return subprocess.run((*enter, *_CAGE, *_SHELL, *python), stdin=saved.stdout, check=False).returncode


def bind(source: Path, target: Path) -> None:
    """Have `source` in the place of `target`, inside."""
    mount("--bind", str(source), str(target))


def unmount(path: Path) -> None:
    """Take away what `bind` put there."""
    subprocess.run(("umount", path), check=False)


def mount(*words: str) -> None:
    """Run mount, inside."""
    subprocess.run(("mount", *words), check=True)


def status() -> tuple[str, ...]:
    """What prints what the tests run on."""
    return (str(Path(sys.executable).parent / "goldi"), "engine.status")


def pytest(arguments: Sequence[str]) -> tuple[str, ...]:
    """What runs tests."""
    return (sys.executable, "-m", "pytest", "-m", "real", *arguments)
