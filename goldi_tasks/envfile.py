"""infrastructure/docker/.env: what compose, and a script without Python, have to know of this machine."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from goldi_tasks import atomic, inside_container

_PLAIN = re.compile(r"[A-Za-z0-9_./:@-]*")


# Source: compose-go's dotenv/parser.go and template.go, of compose 2.26. No library that is kept reads the same.
_KEY = re.compile(r"(?:export[ \t\v\f\r]+)?([\w.\-\[\] \t\v\f\r]*?)[ \t\v\f\r]*(=|:|\n|\Z)[ \t\v\f\r]*")
_QUOTED = {"'": re.compile(r"'((?:\\.|[^\\'])*)'", re.DOTALL), '"': re.compile(r'"((?:\\.|[^\\"])*)"', re.DOTALL)}
_ESCAPED = re.compile(r"\\([abfnrtv$\"\\])")
_MEANT = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "$": "$$", '"': '"', "\\": "\\"}
_NAME = re.compile(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(:?[-+?])?)")


def read(text: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables in the `text` of an env file as compose reads it, up to what it would refuse."""
    found: dict[str, str] = {}
    at = 0
    while True:
        at += len(text[at:]) - len(text[at:].lstrip())
        if text[at : at + 1] == "#":
            at = (text.find("\n", at) + 1) or len(text)
            continue
        match = _KEY.match(text, at)
        if at >= len(text) or not match or re.search(r"\s", match[1]):
            return found
        at = match.end()
        if match[2] not in "=:" or not match[2]:
            if match[1] in environ:
                found[match[1]] = environ[match[1]]
            continue
        quote = _QUOTED.get(text[at : at + 1])
        if not quote:
            end = (text.find("\n", at) + 1) or len(text) + 1
            value = text[at : end - 1].partition(" #")[0].rstrip()
            found[match[1]] = _substitute(value, found, environ)
        elif inner := quote.match(text, at):
            end, sign = inner.end(), text[at]
            value = inner[1].replace(f"\\{sign}", sign)
            if sign == '"':
                value = _substitute(_ESCAPED.sub(lambda it: _MEANT[it[1]], value), found, environ)
            found[match[1]] = value
        else:
            return found
        at = end


def _substitute(text: str, found: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Put values in the place of `$NAME`, `${NAME:-other}` and their like."""
    done, at = "", 0
    while match := _NAME.search(text, at):
        done, at = done + text[at : match.start()], match.end()
        name, sign = match[2] or match[3], match[4] or ""
        value = found.get(name or "", environ.get(name or ""))
        if match[1]:
            done += "$"
        elif match[2]:
            done += value or ""
        else:
            end = _closing(text, at)
            other = _substitute(text[at:end], found, environ)
            at = end + 1
            there = value if sign.startswith(":") else value is not None
            done += (other if there else "") if sign.endswith("+") else (value or "") if there or not sign else other
    return done + text[at:]


def _closing(text: str, at: int) -> int:
    """Return where the brace is closed that was opened before `at`."""
    depth = 1
    for index in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if not depth:
            return index
    return len(text)


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
    inside_container.expect_outside()
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
