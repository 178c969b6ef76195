"""Tell which files that git tracks below a copied directory the .dockerignore keeps out of the image."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from goldi_tasks import run
from goldi_tasks.build import bakefile, context
from goldi_tasks.command import Command
from goldi_tasks.errors import GoldiError
from goldi_tasks.plan import dockerfile, ignore
from goldi_tasks.settings import Settings

# How many files are named.
_SHOWN = 3


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
        lost = _lost(settings, below) if below else {}
    except (GoldiError, OSError, ValueError, LookupError, TypeError, AttributeError):
        return ""
    if not lost:
        return ""
    names = ", ".join(sorted(lost)[:_SHOWN]) + (f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else "")
    lines = ", ".join(str(line) for line in sorted(set(lost.values())))
    place = f"{file.relative_to(settings.project)}, line {lines}"
    files, are = ("1 file", "is") if len(lost) == 1 else (f"{len(lost)} files", "are")
    return f"{files} that git tracks {are} not in the image: {names} ({place})"


def _directories(settings: Settings, target: Mapping[str, Any]) -> Collection[str]:
    """The directories of the context that a target copies, without the context itself."""
    if (settings.project / target.get("context", ".")) != settings.project:
        return ()
    text = (settings.project / target.get("dockerfile", "Dockerfile")).read_text(encoding="utf-8")
    paths = dockerfile.likely_sources(text, target.get("target", ""), target.get("args", {})) or ()
    return [path for path in paths if path != "." and (settings.project / path).is_dir()]


def _lost(settings: Settings, below: Collection[str]) -> dict[str, int]:
    """Files that git tracks below some directories and that are left out, each with the line that does it."""
    argv = ("git", "--literal-pathspecs", "-C", str(settings.project), "ls-files", "-z", "--", *below)
    patterns = ignore.parse(context.ignore_text(settings))
    found = {}
    for name in filter(None, run.capture(Command(argv)).split("\0")):
        if (pattern := ignore.left_out_by(name, patterns)) and _exists(settings.project / name):
            found[name] = pattern.line
    return found


def _exists(path: Path) -> bool:
    return path.is_symlink() or path.exists()
