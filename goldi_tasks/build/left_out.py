"""Tell which files below a copied directory the .dockerignore keeps out of the image.

Those that git tracks; where there is no git, those that lie there and that no tool has made.
"""

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from goldi_tasks import run
from goldi_tasks.build import bakefile, context
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, GoldiError
from goldi_tasks.plan import dockerfile, ignore
from goldi_tasks.settings import Settings

# How many files are named.
_SHOWN = 3
# What tools make, and nobody misses.
_MADE = ("__pycache__", "node_modules", "*.egg-info", ".git", ".nox", ".venv*", ".*_cache", ".coverage*")


def sentence(
    settings: Settings, targets: tuple[str, ...], env: Mapping[str, str], printed: Mapping[str, Any] | None
) -> str:
    """What of the directories that `targets` copy is tracked and left out, as one sentence; "" if nothing is.

    `printed` is what bake makes of its file, None if it was not asked yet. A stage that copies the whole context
    (`COPY .`) relies on the ignore file to leave out what it does: of that nothing is said.
    """
    file = context.ignore_file(settings)
    if not file:
        return ""
    try:
        printed = bakefile.printed(settings, targets, env) if printed is None else printed
        below = sorted({path for target in targets for path in _directories(settings, printed[target])})
        tracked = _tracked(settings, below) if below else ()
        lost = _lost(settings, _lying(settings.project, below) if tracked is None else tracked)
    except (GoldiError, OSError, ValueError, LookupError, TypeError, AttributeError):
        return ""
    if not lost:
        return ""
    names = ", ".join(sorted(lost)[:_SHOWN]) + (f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else "")
    lines = ", ".join(str(line) for line in sorted(set(lost.values())))
    place = f"{file.relative_to(settings.project)}, line {lines}"
    files, are = ("1 file", "is") if len(lost) == 1 else (f"{len(lost)} files", "are")
    whose = "that git tracks" if tracked is not None else "of the copied directories"
    return f"{files} {whose} {are} not in the image: {names} ({place})"


def _directories(settings: Settings, target: Mapping[str, Any]) -> Collection[str]:
    """The directories of the context that a target copies, without the context itself."""
    if (settings.project / target.get("context", ".")) != settings.project:
        return ()
    text = (settings.project / target.get("dockerfile", "Dockerfile")).read_text(encoding="utf-8")
    paths = dockerfile.likely_sources(text, target.get("target", ""), target.get("args", {})) or ()
    return [path for path in paths if path != "." and (settings.project / path).is_dir()]


def _tracked(settings: Settings, below: Collection[str]) -> list[str] | None:
    """Return what git tracks below some directories; None without a repository or git. Raises CommandFailed."""
    argv = ("git", "--literal-pathspecs", "-C", str(settings.project), "ls-files", "-z", "--", *below)
    try:
        return list(filter(None, run.capture(Command(argv, {"LC_ALL": "C"})).split("\0")))
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


def _lost(settings: Settings, names: Collection[str] | Iterator[str]) -> dict[str, int]:
    """Return which files are left out, each with the line that does it."""
    patterns = ignore.parse(context.ignore_text(settings))
    found = {}
    for name in names:
        if (pattern := ignore.left_out_by(name, patterns)) and _exists(settings.project / name):
            found[name] = pattern.line
    return found


def _exists(path: Path) -> bool:
    return path.is_symlink() or path.exists()
