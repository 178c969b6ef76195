"""The dev container CLI: the one on PATH, else one that npm puts into our state directory once."""

import shutil
import sys
from pathlib import Path

from goldi_tasks import atomic, ownership, process, state
from goldi_tasks.devcontainer import devcontainer_arguments
from goldi_tasks.errors import CommandFailed, NoDevcontainer


def program() -> str:
    """The path of the CLI, which is installed if need be. Raises NoDevcontainer."""
    if found := shutil.which("devcontainer"):
        return found
    if not own().exists() and not process.is_dry():
        _install()
    return str(own())


def own() -> Path:
    """The path of ours. It may not exist."""
    return folder() / "node_modules" / ".bin" / "devcontainer"


def folder() -> Path:
    """Where ours lies, by version. It may not exist."""
    return state.folder("devcontainer-cli", devcontainer_arguments.VERSION)


def _install() -> None:
    if not shutil.which("npm"):
        problem = "the dev container CLI is not installed, and there is no npm to install it"
        raise NoDevcontainer(problem, f"Install Node.js and npm, or {devcontainer_arguments.PACKAGE} by yourself")
    top = folder().parent
    try:
        state.make(top)
        with atomic.locked(top):
            # Another may have done it meanwhile.
            if not own().exists():
                _fetch(top)
    except (CommandFailed, OSError) as error:
        said = str(error).strip().splitlines()
        problem = f"npm could not install {devcontainer_arguments.PACKAGE}: {said[-1] if said else 'it said nothing'}"
        raise NoDevcontainer(problem, "Mend npm's configuration, or install it by yourself") from error


def _fetch(top: Path) -> None:
    """Have npm install it in a directory beside it: what is cut off is not taken for whole."""
    print(
        f"goldi: installing {devcontainer_arguments.PACKAGE} {devcontainer_arguments.VERSION} into {folder()} (once)",
        file=sys.stderr,
        flush=True,
    )
    # Always the same name: what a killed one has left is replaced by the next.
    draft = top / f".{devcontainer_arguments.VERSION}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    process.capture(devcontainer_arguments.install(draft))
    atomic.give_tree(draft, ownership.owner_in(top))
    shutil.rmtree(folder(), ignore_errors=True)
    draft.rename(folder())
