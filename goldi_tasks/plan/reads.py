"""What an instruction of a Dockerfile takes: paths of the build context, and other stages or images.

Where that cannot be said for sure it is not said: a path too few would be an outdated image.
"""

import json
import posixpath
import re

from goldi_tasks.plan.instructions import Instruction, Values, filled

# Paths of the context, and what is named after `from`.
Taken = tuple[set[str], set[str]]

_FLAGS = {
    "COPY": {"from", "chown", "chmod", "link", "parents", "exclude"},
    "ADD": {"chown", "chmod", "link", "exclude", "checksum", "keep-git-dir", "unpack"},
    "RUN": {"mount", "network", "security", "device"},
}
_MOUNTS = {"bind", "cache", "tmpfs", "secret", "ssh"}
_FLAG = re.compile(r"--(\S+)(?:\s+|$)")
QUOTED = re.compile(r"""[\\'"]""")
# Of the wildcards of Go's filepath.Match those that mean the same everywhere.
_CLASS = re.compile(r"\[\^?(?:a-z|A-Z|0-9|[A-Za-z0-9_.])+\]")
_ADDRESS = re.compile(r"[:@#]|^github\.com/|\.git(?:/|$)")


def taken(instruction: Instruction, values: Values) -> Taken | None:
    """What a COPY, ADD or RUN takes where `values` are in force; None if that cannot be said."""
    flags, rest = split(instruction.rest)
    if any(QUOTED.search(flag) or flag.partition("=")[0] not in _FLAGS[instruction.word] for flag in flags):
        return None
    if instruction.word == "RUN":
        return _mounted([flag.removeprefix("mount=") for flag in flags if flag.startswith("mount=")], values)
    origins = {flag.removeprefix("from=") for flag in flags if flag.partition("=")[0] == "from"}
    if origins:
        return None if any(map(_odd_origin, origins)) else (set(), origins)
    return _copied(instruction.word, words(rest), values)


def words(rest: str) -> list[str]:
    """Sources and destination of a COPY or ADD, which follow its flags; nothing if they are oddly written."""
    rest = split(rest)[1]
    if not rest.startswith("["):
        return rest.split()
    try:
        found = json.loads(rest)
    except ValueError:
        return []
    return found if all(isinstance(one, str) for one in found) else []


def split(rest: str) -> tuple[list[str], str]:
    """The flags at the beginning, without their dashes, and what follows them."""
    flags = []
    while found := _FLAG.match(rest):
        flags.append(found[1])
        rest = rest[found.end() :]
    return flags, rest


def _copied(word: str, found: list[str], values: Values) -> Taken | None:
    paths = {_path(one, values) for one in found[:-1]}
    sure = {path for path in paths if path is not None}
    if not paths or sure != paths or (word == "ADD" and any(map(_ADDRESS.search, sure))):
        return None
    return sure, set()


def _mounted(mounts: list[str], values: Values) -> Taken | None:
    """What the `--mount` flags of a RUN take."""
    paths, origins = set[str](), set[str]()
    for mount in mounts:
        fields = {key.lower(): value for key, _, value in (field.partition("=") for field in mount.split(","))}
        kind, origin = fields.get("type", "bind").lower(), fields.get("from")
        path = _path(fields.get("source", fields.get("src", ".")), values)
        if kind not in _MOUNTS or {"source", "src"} <= fields.keys() or (origin is not None and _odd_origin(origin)):
            return None
        if origin is not None:
            origins.add(origin)
        elif kind == "bind":
            # Here wildcards are letters.
            if path is None or re.search(r"[*?[]", path):
                return None
            paths.add(path)
    return paths, origins


def _odd_origin(origin: str) -> bool:
    """Whether it is not plainly a name: variables are filled in here by some builders and not by others."""
    return not origin or "$" in origin


def _path(written: str, values: Values) -> str | None:
    """A source, relative to the context, "." for all of it; None if that cannot be said."""
    path = filled(written, values)
    if not path or QUOTED.search(written + path) or "[" in _CLASS.sub("", path) or "**" in path:
        return None
    # What `..` means depends on links.
    return None if ".." in path.split("/") else posixpath.normpath(f"/{path}").lstrip("/") or "."
