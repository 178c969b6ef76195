"""Find the files that bake and BuildKit read for a target, besides what its Dockerfile copies."""

import os
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
    is read, by path. Where one of these files is a link, or lies behind one, they are not `plain`: builders differ in
    what they make of it.
    """

    root: Path
    dockerfile: Path
    text: str
    ignore: Path | None
    contents: Mapping[str, bytes]
    plain: bool

    @property
    def ignore_text(self) -> str:
        """The text of the ignore file; "" if there is none, or it is not sure which it is."""
        return self.contents[str(self.ignore)].decode("utf-8", "surrogateescape") if self.ignore and self.plain else ""


def find(project: Path, target: Mapping[str, Any]) -> Control:
    """Find what is read for `target`, as `bake --print` shows it. Raises NotUnderstood, OSError."""
    root = directory(project, str(target.get("context", ".")), "context")
    file, text, read = Path(), str(target.get("dockerfile-inline", "")), list[Path]()
    # BuildKit takes the ignore file that is named after the Dockerfile before the context's own.
    ignores = [root / ".dockerignore"]
    if "dockerfile-inline" not in target:
        file = Path(os.path.normpath(root / str(target.get("dockerfile", "Dockerfile"))))
        if not file.is_file():
            raise NotUnderstood(f"{file} is not there")
        text = file.read_bytes().decode("utf-8", "surrogateescape")
        ignores = [file.with_name(f"{file.name}.dockerignore"), *ignores]
        # A policy, which newer buildx reads by itself.
        read = [file, file.with_name(f"{file.name}.rego")]
        if not _is_plain(file, project):
            read.append(file.resolve().with_name(f"{file.resolve().name}.dockerignore"))
    read += ignores
    contents = {str(path): path.read_bytes() for path in read if path.is_file()}
    contents |= {f"{path} ->": os.fsencode(path.readlink()) for path in read if path.is_symlink()}
    ignore = next((path for path in ignores if path.is_file()), None)
    return Control(root, file, text, ignore, contents, all(_is_plain(path, project) for path in read))


def directory(project: Path, written: str, what: str) -> Path:
    """Return the directory of this machine that a context names. Raises NotUnderstood."""
    if _REMOTE.search(written) or not (project / written).is_dir():
        raise NotUnderstood(f"its {what} is {written}")
    return project / written


def _is_plain(file: Path, project: Path) -> bool:
    """Whether no link is or leads to `file`, where that lies in the project."""
    return not file.is_relative_to(project) or file.resolve() == project.resolve() / file.relative_to(project)
