"""The project's bake file, read as the JSON that it is: names need no docker."""

import csv
import hashlib
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from goldi_tasks import __version__, process, state
from goldi_tasks.bake import bake_arguments, build_request, client_state
from goldi_tasks.errors import CommandFailed, GoldiError, NotAProject, SettingsError
from goldi_tasks.network import PROGRAMS
from goldi_tasks.settings import Settings

_CALL = re.compile(r"(\w+)\s*\(")
# Those of bake's functions that give the same for the same: no `timestamp`, no `bcrypt`, nor what a file defines.
_PURE = {
    *("abs", "and", "base64decode", "base64encode", "can", "ceil", "chomp", "chunklist", "cidrhost", "cidrnetmask"),
    *("cidrsubnet", "cidrsubnets", "coalesce", "coalescelist", "compact", "concat", "contains", "convert", "csvdecode"),
    *("distinct", "divide", "element", "equal", "flatten", "floor", "format", "formatlist", "greaterthan", "hasindex"),
    *(
        "indent",
        "index",
        "int",
        "join",
        "jsondecode",
        "jsonencode",
        "keys",
        "length",
        "lessthan",
        "log",
        "lookup",
        "lower",
    ),
    *(
        "max",
        "md5",
        "merge",
        "min",
        "modulo",
        "multiply",
        "negate",
        "not",
        "notequal",
        "or",
        "parseint",
        "pow",
        "range",
    ),
    *(
        "regex",
        "regexall",
        "regex_replace",
        "regexreplace",
        "replace",
        "reverse",
        "reverselist",
        "rsadecrypt",
        "sanitize",
    ),
    *(
        "sethaselement",
        "setintersection",
        "setproduct",
        "setsubtract",
        "setunion",
        "sha1",
        "sha256",
        "sha512",
        "signum",
    ),
    *(
        "slice",
        "sort",
        "split",
        "strlen",
        "substr",
        "subtract",
        "title",
        "trim",
        "trimprefix",
        "trimspace",
        "trimsuffix",
    ),
    *("try", "upper", "urlencode", "uuidv5", "values", "zipmap"),
}
# How many answers of `bake --print` are kept of a project.
_PRINTS = 8


def load(settings: Settings) -> Mapping[str, Any]:
    """The bake file of a project. Raises NotAProject, SettingsError if it is not JSON."""
    file = settings.bake_file
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid JSON: {error}", "Correct that line") from error
    tables = [read.get(name, {}) for name in ("group", "target", "variable")] if isinstance(read, dict) else [read]
    if not all(isinstance(table, dict) and all(isinstance(row, dict) for row in table.values()) for table in tables):
        raise SettingsError(f"{file} is not a bake file", "Give it tables of groups and targets, as bake wants them")
    return dict(read)


def check(settings: Settings, names: tuple[str, ...], env: Mapping[str, str]) -> None:
    """Raises UnknownName for one that bake knows neither as a group nor as a target, also of a matrix."""
    file = load(settings)
    if not {*names} <= {*file.get("group", {}), *build_request.public(file)}:
        try:
            build_request.members(printed(settings, names, env), names)
        except (CommandFailed, ValueError, LookupError):
            build_request.members(file, names)


def printed(settings: Settings, names: tuple[str, ...], env: Mapping[str, str]) -> dict[str, Any]:
    """Return what `bake --print` makes of its file: tables `group` and `target`, of `names` and what they build on.

    It takes 0.1 s. Raises CommandFailed, ValueError, LookupError.
    """
    document = json.loads(process.capture(bake_arguments.show(settings, names, env), cwd=settings.project))
    return {"group": document.get("group", {}), "target": document["target"]}


def remembered(settings: Settings, names: tuple[str, ...], env: Mapping[str, str], file: Path) -> dict[str, Any]:
    """Return what `printed` does, from `file` if it was asked before and cannot be another now.

    That hinges on the bake file, on the variables that it can name, and on buildx. Raises what `printed` does, OSError.
    """
    text = settings.bake_file.read_text(encoding="utf-8")
    # A name may be written with an escape; a function may give another value each time.
    if "\\u" in text or not set(_CALL.findall(text)) <= _PURE:
        return printed(settings, names, env)
    variables = {name: value for name, value in {**process.environment(), **env}.items() if name in text}
    bits = [
        text,
        names,
        sorted(variables.items()),
        client_state.digest(process.environment(), settings.project),
        __version__,
    ]
    key = hashlib.sha256(json.dumps(bits).encode()).hexdigest()
    try:
        known = dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        known = {}
    if key not in known:
        latest = list(known.items())[1 - _PRINTS :]
        known = {**dict(latest), key: printed(settings, names, env)}
        with suppress(OSError):
            state.write(file, json.dumps(known))
    return dict(known[key])


def listing(settings: Settings, env: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """List name, kind (`group` or `target`) and meaning: a group's targets, a target's first tag.

    Where bake does not say what it makes of its file, they are as the file has them.
    """
    file = load(settings)
    try:
        document: Mapping[str, Any] = printed(settings, (*file.get("group", {}), *build_request.public(file)), env)
    except (GoldiError, ValueError, LookupError):
        document = {
            "group": file.get("group", {}),
            "target": {name: file["target"][name] for name in build_request.public(file)},
        }
    # Of names that are asked for bake makes a group of its own.
    groups = {
        name: row for name, row in document["group"].items() if name != "default" or name in file.get("group", {})
    }
    groups |= {name: file["group"][name] for name in groups if name == "default"}
    rows = [(name, "group", " ".join(row.get("targets", ()))) for name, row in groups.items()]
    return rows + [(name, "target", (row.get("tags") or [""])[0]) for name, row in document["target"].items()]


def secrets(settings: Settings, printed: Mapping[str, Any]) -> set[str]:
    """Return the values of the secrets that the printed targets have, by variable or by file, for the masks.

    A file of more than 64 kB, or one that is no text, is not looked into, nor are certificates.
    """
    found = set()
    for target in printed.get("target", {}).values():
        for entry in target.get("secret") or ():
            fields = _fields(entry)
            name = fields.get("env") or ("" if "src" in fields or "source" in fields else fields.get("id", ""))
            if name and name not in PROGRAMS:
                found.add(os.environ.get(name, ""))
            elif (file := fields.get("src") or fields.get("source")) and fields.get("id") != "ca_bundle":
                with suppress(OSError, UnicodeDecodeError):
                    path = settings.project / file
                    found.add(path.read_text(encoding="utf-8").strip() if path.stat().st_size <= 65536 else "")
    return found - {""}


def _fields(entry: str | Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a secret: text in older releases of buildx, an object in newer ones."""
    if not isinstance(entry, str):
        return dict(entry)
    return {name: value for name, _, value in (field.partition("=") for field in next(csv.reader([entry])))}


def builds_database(settings: Settings) -> bool:
    """Return whether the project's bake file has the target that makes the database's image."""
    try:
        return "postgres" in load(settings)["target"]
    except (NotAProject, SettingsError, KeyError):
        return False
