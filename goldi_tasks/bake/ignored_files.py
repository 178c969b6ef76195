"""Report files below copied directories that the ignore file keeps out of the image.

These are files that git tracks; without git, all files except those that tools generate.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from goldi_tasks import process
from goldi_tasks.bake import control_files
from goldi_tasks.bake.control_files import ControlFiles
from goldi_tasks.bake.fingerprint import InputCheck
from goldi_tasks.command import Command
from goldi_tasks.dockerfile import ignore_file, parse
from goldi_tasks.errors import CommandFailed, GoldiError
from goldi_tasks.settings import Settings

# The number of files named in the warning.
_MAX_NAMES = 3
# Names of files and directories that tools generate.
_GENERATED = ("__pycache__", "node_modules", "*.egg-info", ".git", ".nox", ".venv*", ".*_cache", ".coverage*")


def describe_ignored_files(settings: Settings, inputs: InputCheck) -> str:
    """Return a warning about ignored files in the directories that the targets copy; "" if there are none.

    A stage that copies the whole context (`COPY .`) leaves the choice to the ignore file: for it there is no warning.
    """
    warnings = (_describe_ignored(settings, inputs.printed["target"][name]) for name in inputs.targets)
    return next(filter(None, warnings), "")


def _describe_ignored(settings: Settings, target: Mapping[str, Any]) -> str:
    """Return the warning for one target; "" if no file is ignored, or it cannot be determined."""
    try:
        files = control_files.find(settings.project, target)
        lines = ignore_file.parse(files.ignore_text)
        directories = sorted(_copied_directories(files, target)) if lines else []
        tracked = _list_tracked(files.root, directories) if directories else []
        candidates = _list_files(files.root, directories) if tracked is None else tracked
        ignored = _find_ignored(files.root, lines, candidates)
    except (GoldiError, OSError, control_files.NotUnderstood):
        return ""
    if not ignored or not files.ignore:
        return ""
    more = f" and {len(ignored) - _MAX_NAMES} more" if len(ignored) > _MAX_NAMES else ""
    names = ", ".join(sorted(ignored)[:_MAX_NAMES]) + more
    numbers = ", ".join(str(line) for line in sorted(set(ignored.values())))
    source = f"{files.ignore.relative_to(settings.project)}, line {numbers}"
    count, are = ("1 file", "is") if len(ignored) == 1 else (f"{len(ignored)} files", "are")
    origin = "that git tracks" if tracked is not None else "of the copied directories"
    return f"{count} {origin} {are} not in the image: {names} ({source})"


def _copied_directories(files: ControlFiles, target: Mapping[str, Any]) -> Collection[str]:
    """List the directories of the context that a target copies, without the context itself."""
    reads = parse.find_inputs(files.text, target.get("args", {}), target.get("target", ""), likely=True)
    return [path for path in (reads.paths if reads else ()) if path != "." and (files.root / path).is_dir()]


def _list_tracked(root: Path, directories: Collection[str]) -> list[str] | None:
    """List the files that git tracks in `directories`; None without a repository or git. Raises CommandFailed."""
    argv = ("git", "--literal-pathspecs", "-C", str(root), "ls-files", "-z", "--", *directories)
    try:
        return list(filter(None, process.capture(Command(argv, {"LC_ALL": "C"})).split("\0")))
    except CommandFailed as error:
        if "not a git repository" in error.problem or error.code == 127:
            return None
        raise


def _list_files(root: Path, directories: Collection[str]) -> Iterator[str]:
    """List the files in `directories`, except generated ones and front ends, which are built in the image."""
    for directory in (name for name in directories if not (root / name / "package.json").exists()):
        for path in (root / directory).rglob("*"):
            parts = path.relative_to(root).parts
            if not path.is_dir() and not any(fnmatch(part, pattern) for part in parts for pattern in _GENERATED):
                yield "/".join(parts)


def _find_ignored(root: Path, lines: Sequence[ignore_file.IgnorePattern], names: Iterable[str]) -> dict[str, int]:
    """Return the ignored files among `names`, each with the number of the line of the ignore file."""
    removing = {name: ignore_file.find_excluding_pattern(name, lines) for name in names}
    return {name: line.number for name, line in removing.items() if line and _exists(root / name)}


def _exists(path: Path) -> bool:
    return path.is_symlink() or path.exists()
