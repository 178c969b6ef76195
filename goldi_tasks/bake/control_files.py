"""Find the files that bake and BuildKit read for a target, besides what its Dockerfile copies."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_REMOTE = re.compile(r"^(?:\w+://|git@|github\.com/)")


class NotUnderstood(Exception):
    """An input of a target is remote, missing or no directory; the message names it."""


@dataclass(frozen=True)
class ControlFiles:
    """The context `root` of a target, the path and `text` of its Dockerfile, and its ignore file or None.

    An inline Dockerfile has an empty path. `contents` are the bytes of the files that are read, by path. They are not
    `plain` if one of them is a symbolic link or is reached through one: releases of BuildKit treat these differently.
    """

    root: Path
    dockerfile: Path
    text: str
    ignore: Path | None
    contents: Mapping[str, bytes]
    plain: bool

    @property
    def ignore_text(self) -> str:
        """Return the text of the ignore file; "" if there is none, or if links leave open which one is used."""
        return self.contents[str(self.ignore)].decode("utf-8", "surrogateescape") if self.ignore and self.plain else ""


def find(project: Path, target: Mapping[str, Any]) -> ControlFiles:
    """Find the control files of `target`, an object of `bake --print`. Raises NotUnderstood, OSError."""
    root = directory(project, str(target.get("context", ".")), "context")
    file, text, read = Path(), str(target.get("dockerfile-inline", "")), list[Path]()
    # An ignore file named after the Dockerfile takes precedence over the one of the context.
    ignores = [root / ".dockerignore"]
    if "dockerfile-inline" not in target:
        file = Path(os.path.normpath(root / str(target.get("dockerfile", "Dockerfile"))))
        if not file.is_file():
            raise NotUnderstood(f"{file} does not exist")
        text = file.read_bytes().decode("utf-8", "surrogateescape")
        ignores = [file.with_name(f"{file.name}.dockerignore"), *ignores]
        # The .rego file is a policy that newer releases of buildx read without being told.
        read = [file, file.with_name(f"{file.name}.rego")]
        if not _is_plain(file, project):
            read.append(file.resolve().with_name(f"{file.resolve().name}.dockerignore"))
    read += ignores
    contents = {str(path): path.read_bytes() for path in read if path.is_file()}
    contents |= {f"{path} ->": os.fsencode(path.readlink()) for path in read if path.is_symlink()}
    ignore = next((path for path in ignores if path.is_file()), None)
    return ControlFiles(root, file, text, ignore, contents, all(_is_plain(path, project) for path in read))


def directory(project: Path, location: str, kind: str) -> Path:
    """Return the local directory that a context of some `kind` names. Raises NotUnderstood for a remote one."""
    if _REMOTE.search(location) or not (project / location).is_dir():
        raise NotUnderstood(f"its {kind} is {location}")
    return project / location


def _is_plain(file: Path, project: Path) -> bool:
    """Return whether `file` is outside of the project, or neither it nor a parent below the project is a link."""
    return not file.is_relative_to(project) or file.resolve() == project.resolve() / file.relative_to(project)
