"""infrastructure/docker/.env: what compose, and a script without Python, have to know of this machine."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from goldi_tasks import atomic, inside

_PLAIN = re.compile(r"[A-Za-z0-9_./:@-]*")


def line(name: str, value: str) -> str:
    """`NAME=value`, quoted where it must be, as compose and a POSIX shell read it alike."""
    if _PLAIN.fullmatch(value):
        return f"{name}={value}"
    if "'" not in value:
        return f"{name}='{value}'"
    escaped = re.sub(r'(["\\$])', r"\\\1", value)
    return f'{name}="{escaped}"'


def merge(text: str, values: Mapping[str, str | None]) -> str:
    """The file's `text` with `values` in it, without those that are None; other lines stay."""
    kept = [line for line in text.splitlines() if line.partition("=")[0].strip() not in values]
    return "\n".join([*kept, *(line(name, value) for name, value in values.items() if value is not None)]) + "\n"


def write(file: Path, values: Mapping[str, str | None]) -> bool:
    """Put `values` into `file`, as a whole, for the directory's owner; whether it changed. Raises OSError.

    A value that is None leaves the file. Raises NoDevcontainer inside a container: the file is for the host.
    """
    inside.expect_outside()
    # One at a time, setup-cache.sh too: lines that the other writes would be lost.
    with atomic.locked(file.parent):
        before = file.read_text(encoding="utf-8") if file.is_file() else ""
        there = {said.partition("=")[0].strip() for said in before.splitlines()}
        gone = not any(value is None and name in there for name, value in values.items())
        lines = {line(name, value) for name, value in values.items() if value is not None}
        if gone and lines <= set(before.splitlines()):
            # Builds look at its date.
            return False
        folder = file.parent.stat()
        owner = (folder.st_uid, folder.st_gid) if os.getuid() == 0 else (os.getuid(), os.getgid())
        return atomic.write(file, merge(before, values).encode(), mode=0o644, owner=owner)
