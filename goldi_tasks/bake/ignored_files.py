"""Tell which files below a copied directory the .dockerignore keeps out of the image.

Those that git tracks; where there is no git, those that lie there and that no tool has made.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from goldi_tasks import process
from goldi_tasks.bake import control_files
from goldi_tasks.bake.control_files import Control
from goldi_tasks.bake.fingerprint import Look
from goldi_tasks.command import Command
from goldi_tasks.dockerfile import ignore_file, parse
from goldi_tasks.errors import CommandFailed, GoldiError
from goldi_tasks.settings import Settings

# How many files are named.
_SHOWN = 3
# What tools make, and nobody misses.
_MADE = ("__pycache__", "node_modules", "*.egg-info", ".git", ".nox", ".venv*", ".*_cache", ".coverage*")


def sentence(settings: Settings, look: Look) -> str:
    """Say what of the directories that targets copy is tracked and left out; "" if nothing is.

    A stage that copies the whole context (`COPY .`) relies on the ignore file to leave out what it does: of that
    nothing is said.
    """
    sentences = (_sentence(settings, look.printed["target"][name]) for name in look.targets)
    return next(filter(None, sentences), "")


def _sentence(settings: Settings, target: Mapping[str, Any]) -> str:
    try:
        files = control_files.find(settings.project, target)
        lines = ignore_file.parse(files.ignore_text)
        below = sorted(_directories(files, target)) if lines else []
        tracked = _tracked(files.root, below) if below else []
        lost = _lost(files.root, lines, _lying(files.root, below) if tracked is None else tracked)
    except (GoldiError, OSError, control_files.NotUnderstood):
        return ""
    if not lost or not files.ignore:
        return ""
    names = ", ".join(sorted(lost)[:_SHOWN]) + (f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else "")
    numbers = ", ".join(str(line) for line in sorted(set(lost.values())))
    place = f"{files.ignore.relative_to(settings.project)}, line {numbers}"
    count, are = ("1 file", "is") if len(lost) == 1 else (f"{len(lost)} files", "are")
    whose = "that git tracks" if tracked is not None else "of the copied directories"
    return f"{count} {whose} {are} not in the image: {names} ({place})"


def _directories(files: Control, target: Mapping[str, Any]) -> Collection[str]:
    """List the directories of the context that a target copies, without the context itself."""
    reads = parse.find_reads(files.text, target.get("args", {}), target.get("target", ""), likely=True)
    return [path for path in (reads.paths if reads else ()) if path != "." and (files.root / path).is_dir()]


def _tracked(root: Path, below: Collection[str]) -> list[str] | None:
    """Return what git tracks below some directories; None without a repository or git. Raises CommandFailed."""
    argv = ("git", "--literal-pathspecs", "-C", str(root), "ls-files", "-z", "--", *below)
    try:
        return list(filter(None, process.capture(Command(argv, {"LC_ALL": "C"})).split("\0")))
    except CommandFailed as error:
        if "not a git repository" in error.problem or error.code == 127:
            return None
        raise


def _lying(project: Path, below: Collection[str]) -> Iterator[str]:
    """Give the files below some directories, without what tools make: a front end is built in the image."""
    for directory in (one for one in below if not (project / one / "package.json").exists()):
        for path in (project / directory).rglob("*"):
            parts = path.relative_to(project).parts
            if not path.is_dir() and not any(fnmatch(part, made) for part in parts for made in _MADE):
                yield "/".join(parts)


def _lost(root: Path, lines: Sequence[ignore_file.Line], names: Iterable[str]) -> dict[str, int]:
    """Return which files are left out, each with the number of the line that does it."""
    removing = {name: ignore_file.removing_line(name, lines) for name in names}
    return {name: line.number for name, line in removing.items() if line and _exists(root / name)}


def _exists(path: Path) -> bool:
    return path.is_symlink() or path.exists()
