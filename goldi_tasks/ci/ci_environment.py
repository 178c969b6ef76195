"""The files that a CI offers to a step, and where a step leaves what the CI carries to its next run."""

import os
from collections.abc import Mapping
from pathlib import Path

from goldi_tasks import state
from goldi_tasks.errors import NoPermission

_FOLDER = "goldi-cache"
_ARCHIVE = "caches.tar.zst"


def output(values: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> None:
    """Hand `values`, of one line each, to later steps, on GitHub. Raises NoPermission."""
    if file := environ.get("GITHUB_OUTPUT"):
        append(Path(file), "".join(f"{name}={value}\n" for name, value in values.items()))


def summaries(wanted: str, environ: Mapping[str, str] = os.environ) -> list[Path]:
    """The files that Markdown is to be added to: the one that is `wanted`, and GitHub's own."""
    return [Path(file) for file in dict.fromkeys((wanted, environ.get("GITHUB_STEP_SUMMARY", ""))) if file]


def archive(key: str, file: str = "", environ: Mapping[str, str] = os.environ) -> Path:
    """Where the caches of the project `key` are saved: `file`, else the place that the CI has for such.

    On GitHub that is the runner's temporary directory; GitLab keeps only what is in the project's directory; elsewhere
    it is the user's state directory. Raises NoPermission.
    """
    if file:
        return Path(file)
    if temporary := environ.get("RUNNER_TEMP"):
        return Path(temporary) / _FOLDER / _ARCHIVE
    if project := environ.get("CI_PROJECT_DIR"):
        return Path(project) / f".{_FOLDER}" / _ARCHIVE
    return state.folder("ci", key) / _ARCHIVE


def saved_key(file: Path) -> str:
    """The key of what is in the archive `file`; "" if there is none, or none that a restore found good."""
    try:
        return _note(file).read_text(encoding="utf-8").strip() if file.is_file() else ""
    except (OSError, UnicodeError):
        return ""


def note(file: Path, key: str) -> None:
    """Write down the `key` of the archive `file`; "" that it is not good. Raises NoPermission."""
    if key:
        write(_note(file), f"{key}\n")
    else:
        _note(file).unlink(missing_ok=True)


def warning(environ: Mapping[str, str] = os.environ) -> str:
    """What begins a line that GitHub shows beside the run; "" elsewhere."""
    return "::warning::" if "GITHUB_ACTIONS" in environ else ""


def find_loss(junit: str) -> str:
    """Return what a JUnit file at `junit` would destroy, as a clause; "" for nothing, or an earlier one."""
    if not (junit and Path(junit).is_file()):
        return ""
    try:
        with Path(junit).open("rb") as file:
            head = file.read(1000)
    except OSError:
        # Who may not read it is told by `append` whether he may write.
        return ""
    return f"{junit} exists and is not a JUnit report" if head and b"<testsuite" not in head else ""


def append(file: Path, text: str) -> None:
    """Add `text` to a file. Raises NoPermission."""
    write(file, text, mode="a")


def write(file: Path, text: str, mode: str = "w") -> None:
    """Put `text` into a file. Raises NoPermission."""
    try:
        with file.open(mode, encoding="utf-8", errors="replace") as out:
            out.write(text)
    except OSError as error:
        raise NoPermission(f"{file} cannot be written: {error.strerror}", "Name another file") from error


def _note(file: Path) -> Path:
    return file.with_name(f"{file.name}.key")
