"""Find the dev container CLI: that on PATH, or one that npm installs once into our state directory."""

import shutil
import sys
from pathlib import Path

from goldi_tasks import atomic, ownership, process, state
from goldi_tasks.devcontainer import devcontainer_arguments
from goldi_tasks.errors import CommandFailed, NoDevcontainer


def program() -> str:
    """Return the path of the CLI; install it if there is none. Raises NoDevcontainer."""
    if path := shutil.which("devcontainer"):
        return path
    if not own().exists() and not process.is_dry():
        _install()
    return str(own())


def own() -> Path:
    """Return the path of our own CLI. It may not exist."""
    return folder() / "node_modules" / ".bin" / "devcontainer"


def folder() -> Path:
    """Return the directory of our own CLI's version. It may not exist."""
    return state.folder("devcontainer-cli", devcontainer_arguments.VERSION)


def _install() -> None:
    if not shutil.which("npm"):
        problem = "the dev container CLI is not installed, and there is no npm to install it"
        raise NoDevcontainer(problem, f"Install Node.js and npm, or {devcontainer_arguments.PACKAGE} yourself")
    parent = folder().parent
    try:
        state.make(parent)
        with atomic.lock_directory(parent):
            # Another process may have installed it meanwhile.
            if not own().exists():
                _fetch(parent)
    except (CommandFailed, OSError) as error:
        output = str(error).strip().splitlines()
        problem = f"npm could not install {devcontainer_arguments.PACKAGE}: {output[-1] if output else 'no output'}"
        raise NoDevcontainer(problem, "Fix npm's configuration, or install the package yourself") from error


def _fetch(parent: Path) -> None:
    """Install with npm into a hidden directory and rename that: an interrupted installation is never used."""
    print(
        f"goldi: installing {devcontainer_arguments.PACKAGE} {devcontainer_arguments.VERSION} into {folder()} (once)",
        file=sys.stderr,
        flush=True,
    )
    # The name is fixed, so that the leftovers of a killed installation are replaced by the next.
    draft = parent / f".{devcontainer_arguments.VERSION}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    process.capture(devcontainer_arguments.install(draft))
    atomic.change_tree_owner(draft, ownership.owner_of_new_files(parent))
    shutil.rmtree(folder(), ignore_errors=True)
    draft.rename(folder())
