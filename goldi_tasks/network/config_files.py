"""The configuration files that are read, each remembered, so that a later call can see whether one has changed."""

import locale
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


def home_of(environ: Mapping[str, str]) -> Path:
    """Return the home of the user with `environ`, / where there is none."""
    return Path(environ.get("HOME") or "/")


@dataclass
class Files:
    """Files that were asked for, there or not, in `asked`; `problems` are sentences on those that could not be used."""

    asked: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def read(self, path: Path, *, strict: bool = False) -> str:
        """Return the text of the file `path`, "" where there is none that we may read.

        What is not UTF-8 is replaced; if `strict`, the file has to be in the encoding of the user's locale.
        """
        self.asked.append(path)
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
            # Not ours to read, as apt's logins are root's.
            return ""

    def report(self, path: Path, error: Exception) -> None:
        """Note that the file `path` is not valid."""
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        self.problems.append(f"{path} is ignored: {reason}")
