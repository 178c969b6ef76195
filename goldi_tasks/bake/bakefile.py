"""Read the project's bake file, as JSON or as `bake --print` evaluates it; names alone need no docker."""

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

_FUNCTION_CALL = re.compile(r"(\w+)\s*\(")
# The functions of bake whose value depends on their arguments only: not `timestamp`, not `bcrypt`, none of a bake file.
_PURE_FUNCTIONS = {
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
# How many outputs of `bake --print` are cached for a project.
_MAX_PRINTS = 8


def load(settings: Settings) -> Mapping[str, Any]:
    """Return the bake file of a project. Raises NotAProject, SettingsError if it is no JSON or no bake file."""
    file = settings.bake_file
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid JSON: {error}", "Correct that line") from error
    names = ("group", "target", "variable")
    tables = [document.get(name, {}) for name in names] if isinstance(document, dict) else [document]
    if not all(isinstance(table, dict) and all(isinstance(row, dict) for row in table.values()) for table in tables):
        raise SettingsError(
            f"{file} is not a bake file", "Define `group`, `target` and `variable` as objects of objects"
        )
    return dict(document)


def check(settings: Settings, names: tuple[str, ...], env: Mapping[str, str]) -> None:
    """Check that bake knows each of `names` as a group or a target, also of a matrix. Raises UnknownName."""
    bake_file = load(settings)
    if not {*names} <= {*bake_file.get("group", {}), *build_request.public(bake_file)}:
        try:
            build_request.resolve_targets(run_bake_print(settings, names, env), names)
        except (CommandFailed, ValueError, LookupError):
            build_request.resolve_targets(bake_file, names)


def run_bake_print(settings: Settings, names: tuple[str, ...], env: Mapping[str, str]) -> dict[str, Any]:
    """Return the output of `bake --print` for `names`: tables `group` and `target`, with the targets they depend on.

    It takes 0.1 s. Raises CommandFailed, ValueError, LookupError.
    """
    document = json.loads(
        process.capture(bake_arguments.bake_print_command(settings, names, env), cwd=settings.project)
    )
    return {"group": document.get("group", {}), "target": document["target"]}


def run_cached_bake_print(
    settings: Settings, names: tuple[str, ...], env: Mapping[str, str], file: Path
) -> dict[str, Any]:
    """Return the output of `bake --print` for `names`, from the cache `file` if nothing it depends on has changed.

    That is the bake file, the variables whose names occur in it, and buildx. Raises CommandFailed, ValueError,
    LookupError, OSError.
    """
    text = settings.bake_file.read_text(encoding="utf-8")
    # An escape may hide a variable's name; an impure function may return another value each time.
    if "\\u" in text or not set(_FUNCTION_CALL.findall(text)) <= _PURE_FUNCTIONS:
        return run_bake_print(settings, names, env)
    variables = {name: value for name, value in {**process.environment(), **env}.items() if name in text}
    key_parts = [
        text,
        names,
        sorted(variables.items()),
        client_state.digest(process.environment(), settings.project),
        __version__,
    ]
    key = hashlib.sha256(json.dumps(key_parts).encode()).hexdigest()
    try:
        prints = dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        prints = {}
    if key not in prints:
        latest = list(prints.items())[1 - _MAX_PRINTS :]
        prints = {**dict(latest), key: run_bake_print(settings, names, env)}
        with suppress(OSError):
            state.write(file, json.dumps(prints))
    return dict(prints[key])


def list_targets(settings: Settings, env: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """List name, kind (`group` or `target`) and content: a group's targets separated by spaces, a target's first tag.

    They come from `bake --print`, or from the bake file if that fails.
    """
    bake_file = load(settings)
    file_groups, targets = bake_file.get("group", {}), build_request.public(bake_file)
    try:
        document: Mapping[str, Any] = run_bake_print(settings, (*file_groups, *targets), env)
    except (GoldiError, ValueError, LookupError):
        document = {"group": file_groups, "target": {name: bake_file["target"][name] for name in targets}}
    # bake puts the names on its command line into a group `default`.
    groups = {name: row for name, row in document["group"].items() if name != "default" or name in file_groups}
    groups |= {name: file_groups[name] for name in groups if name == "default"}
    rows = [(name, "group", " ".join(row.get("targets", ()))) for name, row in groups.items()]
    return rows + [(name, "target", (row.get("tags") or [""])[0]) for name, row in document["target"].items()]


def secrets(settings: Settings, document: Mapping[str, Any]) -> set[str]:
    """Return the values of the secrets in the output of `bake --print`, to mask them; from variables and files.

    A file of more than 64 KiB, a binary file and certificates are not read.
    """
    values = set()
    for target in document.get("target", {}).values():
        for entry in target.get("secret") or ():
            fields = _secret_fields(entry)
            name = fields.get("env") or ("" if "src" in fields or "source" in fields else fields.get("id", ""))
            if name and name not in PROGRAMS:
                values.add(os.environ.get(name, ""))
            elif (file := fields.get("src") or fields.get("source")) and fields.get("id") != "ca_bundle":
                with suppress(OSError, UnicodeDecodeError):
                    path = settings.project / file
                    values.add(path.read_text(encoding="utf-8").strip() if path.stat().st_size <= 65536 else "")
    return values - {""}


def _secret_fields(entry: str | Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a secret, which older releases of buildx print as CSV and newer ones as an object."""
    if not isinstance(entry, str):
        return dict(entry)
    return {name: value for name, _, value in (field.partition("=") for field in next(csv.reader([entry])))}


def builds_database(settings: Settings) -> bool:
    """Return whether the bake file has the target `postgres`, which builds the database's image."""
    try:
        return "postgres" in load(settings)["target"]
    except (NotAProject, SettingsError, KeyError):
        return False
