"""Find the files that bake and BuildKit read for a target, besides what its Dockerfile copies."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_REMOTE = re.compile(r"^(?:\w+://|git@|github\.com/)")


class NotUnderstood(Exception):
    """Something that goes into a target lies outside of the project, or is not a plain file; says which."""


@dataclass(frozen=True)
class Control:
    """The context `root` of a target, the path and `text` of its Dockerfile, and its ignore file.

    A Dockerfile inside of the bake file has no path; None stands for no ignore file. `contents` are the bytes of what
    is read, by path.
    """

    root: Path
    dockerfile: Path
    text: str
    ignore: Path | None
    contents: Mapping[str, bytes]

    @property
    def ignore_text(self) -> str:
        """The text of the ignore file, "" if there is none."""
        return self.contents[str(self.ignore)].decode("utf-8", "surrogateescape") if self.ignore else ""


def find(project: Path, target: Mapping[str, Any]) -> Control:
    """Find what is read for `target`, as `bake --print` shows it. Raises NotUnderstood, OSError."""
    root = directory(project, str(target.get("context", ".")), "context")
    contents = dict[str, bytes]()
    file, beside = Path(), list[Path]()
    if "dockerfile-inline" in target:
        text = str(target["dockerfile-inline"])
    else:
        file = root / str(target.get("dockerfile", "Dockerfile"))
        contents[str(file)] = _bytes(file, root)
        text = contents[str(file)].decode("utf-8", "surrogateescape")
        # BuildKit takes the ignore file that is named after the Dockerfile before the context's own.
        beside = [file.with_name(f"{file.name}.dockerignore")]
        # A policy, which newer buildx reads by itself.
        policy = file.with_name(f"{file.name}.rego")
        contents |= {str(policy): _bytes(policy, root)} if policy.exists() else {}
    ignore = next((path for path in (*beside, root / ".dockerignore") if path.exists() or path.is_symlink()), None)
    contents |= {str(ignore): _bytes(ignore, root)} if ignore else {}
    return Control(root, file, text, ignore, contents)


def directory(project: Path, written: str, what: str) -> Path:
    """Return the directory of this machine that a context names. Raises NotUnderstood."""
    if _REMOTE.search(written) or not (project / written).is_dir():
        raise NotUnderstood(f"its {what} is {written}")
    return project / written


def _bytes(file: Path, root: Path) -> bytes:
    """Return what a plain file holds. Raises NotUnderstood where a link leads to it, OSError."""
    if file.is_relative_to(root) and file.resolve() != root.resolve() / file.relative_to(root):
        raise NotUnderstood(f"{file.relative_to(root)} is a link, or lies behind one")
    if not file.is_file():
        raise NotUnderstood(f"{file} is not there")
    return file.read_bytes()
