"""Read configuration files and record their paths, so that a later call can detect changes."""

import locale
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


def home_of(environ: Mapping[str, str]) -> Path:
    """Return the home directory in `environ`, / if HOME is not set."""
    return Path(environ.get("HOME") or "/")


@dataclass
class Files:
    """The `candidates` are all files that were looked for, existing or not; `problems` are messages on invalid ones."""

    candidates: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def read(self, path: Path, *, strict: bool = False) -> str:
        """Return the text of the file `path`, "" if it does not exist or is not readable.

        Bytes that are not UTF-8 are replaced; with `strict` the file must have the encoding of the user's locale.
        """
        self.candidates.append(path)
        try:
            if not path.is_file():
                return ""
            if strict:
                return path.read_text(encoding=locale.getpreferredencoding(do_setlocale=False))
            return path.read_text(encoding="utf-8", errors="replace")
        except UnicodeDecodeError as error:
            self.report(path, error)
            return ""
        except OSError:
            # No permission, as for apt's logins, which belong to root.
            return ""

    def report(self, path: Path, error: Exception) -> None:
        """Add a message that the file `path` is invalid."""
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        self.problems.append(f"{path} is ignored: {reason}")
