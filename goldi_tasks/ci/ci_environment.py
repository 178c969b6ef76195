"""Write the files that a CI offers to a step, and find the archive that the CI keeps for its next run."""

import os
from collections.abc import Mapping
from pathlib import Path

from goldi_tasks import state
from goldi_tasks.errors import NoPermission

_FOLDER = "goldi-cache"
_ARCHIVE = "caches.tar.zst"


def output(values: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> None:
    """Set outputs of the step for later steps, on GitHub; each value is one line. Raises NoPermission."""
    if file := environ.get("GITHUB_OUTPUT"):
        append(Path(file), "".join(f"{name}={value}\n" for name, value in values.items()))


def summaries(summary: str, environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the files to add Markdown to: `summary`, unless it is "", and GitHub's own if there is one."""
    return [Path(file) for file in dict.fromkeys((summary, environ.get("GITHUB_STEP_SUMMARY", ""))) if file]


def archive(key: str, file: str = "", environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the archive with the caches of the project `key`: `file`, unless it is "".

    By default it is in the runner's temporary directory on GitHub, in the project's directory on GitLab, which keeps
    nothing else, and in the user's state directory elsewhere. Raises NoPermission.
    """
    if file:
        return Path(file)
    if temporary := environ.get("RUNNER_TEMP"):
        return Path(temporary) / _FOLDER / _ARCHIVE
    if project := environ.get("CI_PROJECT_DIR"):
        return Path(project) / f".{_FOLDER}" / _ARCHIVE
    return state.folder("ci", key) / _ARCHIVE


def saved_key(file: Path) -> str:
    """Return the recorded cache key of the archive `file`; "" if the archive or its key is missing."""
    try:
        return _key_file(file).read_text(encoding="utf-8").strip() if file.is_file() else ""
    except (OSError, UnicodeError):
        return ""


def note(file: Path, key: str) -> None:
    """Record the cache `key` of the archive `file`; "" deletes the record. Raises NoPermission."""
    if key:
        write(_key_file(file), f"{key}\n")
    else:
        _key_file(file).unlink(missing_ok=True)


def warning(environ: Mapping[str, str] = os.environ) -> str:
    """Return the prefix of a line that GitHub shows as a warning; "" elsewhere."""
    return "::warning::" if "GITHUB_ACTIONS" in environ else ""


def find_loss(junit: str) -> str:
    """Return what writing a JUnit file to `junit` would overwrite, as a clause; "" for nothing, or a JUnit file."""
    if not (junit and Path(junit).is_file()):
        return ""
    try:
        with Path(junit).open("rb") as file:
            head = file.read(1000)
    except OSError:
        # Not readable; `append` reports whether it is writable.
        return ""
    return f"{junit} exists and is not a JUnit report" if head and b"<testsuite" not in head else ""


def append(file: Path, text: str) -> None:
    """Add `text` to a file. Raises NoPermission."""
    write(file, text, mode="a")


def write(file: Path, text: str, mode: str = "w") -> None:
    """Put `text` into a file. Raises NoPermission."""
    try:
        with file.open(mode, encoding="utf-8", errors="replace") as stream:
            stream.write(text)
    except OSError as error:
        raise NoPermission(f"{file} cannot be written: {error.strerror}", "Name another file") from error


def _key_file(file: Path) -> Path:
    return file.with_name(f"{file.name}.key")
