"""Read and write infrastructure/docker/.env: this machine's values for compose and for setup-cache.sh."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from goldi_tasks import atomic, inside_container

_UNQUOTED = re.compile(r"[A-Za-z0-9_./:@-]*")
# Source: compose-go's dotenv/parser.go and template.go, of compose 2.26. No maintained library reads these files alike.
_KEY = re.compile(r"(?:export[ \t\v\f\r]+)?([\w.\-\[\] \t\v\f\r]*?)[ \t\v\f\r]*(=|:|\n|\Z)[ \t\v\f\r]*")
_QUOTED = {"'": re.compile(r"'((?:\\.|[^\\'])*)'", re.DOTALL), '"': re.compile(r'"((?:\\.|[^\\"])*)"', re.DOTALL)}
_ESCAPED = re.compile(r"\\([abfnrtv$\"\\])")
_ESCAPES = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True)) | {"$": "$$", '"': '"', "\\": "\\"}
_REFERENCE = re.compile(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(:?[-+?])?)")


def read(text: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables in the `text` of an env file as compose reads it, up to the first line that it refuses."""
    variables: dict[str, str] = {}
    position = 0
    while True:
        position += len(text[position:]) - len(text[position:].lstrip())
        if text[position : position + 1] == "#":
            position = (text.find("\n", position) + 1) or len(text)
            continue
        match = _KEY.match(text, position)
        if position >= len(text) or not match or re.search(r"\s", match[1]):
            return variables
        position = match.end()
        if match[2] not in "=:" or not match[2]:
            if match[1] in environ:
                variables[match[1]] = environ[match[1]]
            continue
        quote = _QUOTED.get(text[position : position + 1])
        if not quote:
            end = (text.find("\n", position) + 1) or len(text) + 1
            value = text[position : end - 1].partition(" #")[0].rstrip()
            variables[match[1]] = _substitute(value, variables, environ)
        elif quoted := quote.match(text, position):
            end, quote_mark = quoted.end(), text[position]
            value = quoted[1].replace(f"\\{quote_mark}", quote_mark)
            if quote_mark == '"':
                value = _substitute(_ESCAPED.sub(lambda escape: _ESCAPES[escape[1]], value), variables, environ)
            variables[match[1]] = value
        else:
            return variables
        position = end


def _substitute(text: str, variables: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Return `text` with `$NAME`, `${NAME:-alternative}` and so on replaced by values of `variables` or `environ`."""
    output, position = "", 0
    while match := _REFERENCE.search(text, position):
        output, position = output + text[position : match.start()], match.end()
        name, operator = match[2] or match[3], match[4] or ""
        value = variables.get(name or "", environ.get(name or ""))
        if match[1]:
            output += "$"
        elif match[2]:
            output += value or ""
        else:
            end = _find_closing_brace(text, position)
            alternative = _substitute(text[position:end], variables, environ)
            position = end + 1
            is_set = value if operator.startswith(":") else value is not None
            if operator.endswith("+"):
                output += alternative if is_set else ""
            else:
                output += (value or "") if is_set or not operator else alternative
    return output + text[position:]


def _find_closing_brace(text: str, start: int) -> int:
    """Return the index of the brace that closes the one before `start`; the length of `text` if there is none."""
    depth = 1
    for index in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if not depth:
            return index
    return len(text)


def format_line(name: str, value: str) -> str:
    """Return `NAME=value`, quoted where necessary so that compose and a POSIX shell read the same value."""
    if _UNQUOTED.fullmatch(value):
        return f"{name}={value}"
    if "'" not in value:
        return f"{name}='{value}'"
    escaped = re.sub(r'(["\\$])', r"\\\1", value)
    return f'{name}="{escaped}"'


def merge(text: str, values: Mapping[str, str | None]) -> str:
    """Return the file's `text` with `values` set, and those that are None removed; other lines stay."""
    other_lines = [other for other in text.splitlines() if other.partition("=")[0].strip() not in values]
    return (
        "\n".join([*other_lines, *(format_line(name, value) for name, value in values.items() if value is not None)])
        + "\n"
    )


def write(file: Path, values: Mapping[str, str | None]) -> bool:
    """Write `values` to `file` atomically, owned by the directory's owner; return whether it changed.

    A value of None removes the variable. Raises OSError, and NoDevcontainer inside a container: the file is the host's.
    """
    inside_container.expect_outside()
    # setup-cache.sh takes the same lock: without it, lines that another process writes would be lost.
    with atomic.lock_directory(file.parent):
        before = file.read_text(encoding="utf-8") if file.is_file() else ""
        names = {text.partition("=")[0].strip() for text in before.splitlines()}
        is_removal_due = any(value is None and name in names for name, value in values.items())
        lines = {format_line(name, value) for name, value in values.items() if value is not None}
        if not is_removal_due and lines <= set(before.splitlines()):
            # Not rewritten: builds compare the file's time.
            return False
        status = file.parent.stat()
        owner = (status.st_uid, status.st_gid) if os.getuid() == 0 else (os.getuid(), os.getgid())
        return atomic.write(file, merge(before, values).encode(), mode=0o644, owner=owner)
