"""A builder's cache mounts: which a Dockerfile has, and the throw-away builds that take them out and put them in.

BuildKit finds a mount by its id, and makes another one of the same id where uid, gid or mode differ; where `sharing`
differs it does so while the mount is in use. So a throw-away build repeats what the project's own says.
"""

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks.bake import output_options
from goldi_tasks.client.system_info import Docker
from goldi_tasks.command import Command
from goldi_tasks.dockerfile import parse

# What marks the builder's records of a throw-away build; the name of the context that it gets its program from, too.
MARK = "goldi-mounts"
AGENT = "agent.py"
# Where the tar is that the build leaves: its name comes first in a listing of the image.
TAKEN = ".goldi-mounts"
_INSIDE, _MOUNTED = "/goldi-in", "/goldi-mounts"
_ID = re.compile(r"[\w./@:+-]+", re.ASCII)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_DEFAULT = re.compile(r"(\w+)=([^\s\"'\\$]+)")
_OPTIONS = ("sharing", "uid", "gid", "mode")
_RECORD_ID = re.compile(r"^ID:\s*(\S+)", re.MULTILINE)
_RECORD_TYPE = re.compile(r"^Type:\s*(\S+)", re.MULTILINE)
# Newer buildx aligns with spaces.
_RECORD_FREE = re.compile(r"^Reclaimable:\s*true", re.MULTILINE)
# BuildKit 0.13 (engine 26.1) makes a step of a mount's uid, gid or mode, and forgets it, and so the mount, whenever
# anything is pruned, its own collection included; seen. The one of 28.5 has no such step.
_OWNED = "[internal] settings cache mount permissions"
_RECORD_MOUNT = re.compile(r'^Description:\s*cached mount .* with id "/(.+)"\s*$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Mount:
    """A cache mount: its id, where the project's build sees it, and its other options as they are written."""

    id: str
    target: str
    options: tuple[str, ...] = ()


def declared(text: str, args: Mapping[str, str], platform: str) -> dict[str, Mount]:
    """The cache mounts of the Dockerfile `text`, by id, with the build arguments `args` on `platform`.

    Left out are those whose id is only known to the builder, and those that begin with what another stage holds.
    """
    system, arch, variant = [*platform.split("/"), "", ""][:3]
    own = {"TARGETPLATFORM": platform, "TARGETOS": system, "TARGETARCH": arch, "TARGETVARIANT": variant}
    own |= {name.replace("TARGET", "BUILD"): value for name, value in own.items()}
    instructions = list(parse.instructions(text))
    values = _values(instructions, {**own, **args})
    found: dict[str, Mount] = {}
    for one in instructions:
        flags = one.flags if one.word == "RUN" else []
        for mount in (_mount(value, values) for name, value in flags if name == "mount"):
            if mount:
                found.setdefault(mount.id, mount)
    return found


def dockerfile(base: str, mounts: Iterable[Mount], verb: str, token: str) -> str:
    """A Dockerfile whose only step runs the agent with `verb` among `mounts`; each `token` makes another step."""
    flags = [f"--mount=type=bind,from={MARK},target={_INSIDE}"]
    for number, mount in enumerate(mounts):
        fields = ("type=cache", f"id={mount.id}", f"target={_MOUNTED}/{number}", *mount.options)
        flags.append(f"--mount={','.join(fields)}")
    argv = ("python3", "-I", f"{_INSIDE}/{AGENT}", verb, _MOUNTED, f"{MARK}-{token}")
    return f"FROM {base}\nUSER 0:0\nRUN --network=none {' '.join(flags)} {json.dumps(argv)}\n"


def build(docker: Docker, folder: Path, output: str, progress: str) -> Command:
    """Build what is in `folder`: Dockerfile, an empty `context`, and `in` with the agent and what it reads."""
    argv = ("docker", "buildx", *output_options.builder(docker), "build", "--progress", progress, "--output", output)
    files = ("--file", str(folder / "Dockerfile"), "--build-context", f"{MARK}={folder / 'in'}")
    return Command((*argv, *files, str(folder / "context")))


def listed(docker: Docker) -> Command:
    """What the builder keeps."""
    return Command(("docker", "buildx", *output_options.builder(docker), "du", "--verbose"))


def forgotten(docker: Docker, record: str) -> Command:
    """Let the builder forget a record, if nothing builds on it."""
    argv = ("docker", "buildx", *output_options.builder(docker), "prune", "--all", "--force")
    return Command((*argv, "--filter", f"id={record}"))


def filled(text: str) -> set[str]:
    """The ids of the cache mounts among what the builder keeps, by the `text` of `listed`."""
    return {found[1] for record in _records(text) if (found := _RECORD_MOUNT.search(record))}


def left(text: str, before: str) -> list[str]:
    """The records that throw-away builds have left, by the `text` of `listed` after and `before` them.

    None where a mount would be lost by their removal: there they are left to the builder's own collection.
    """
    if _loses(text):
        return []
    known = set(_RECORD_ID.findall(before))
    return [
        found[1]
        for record in _records(text)
        if (found := _RECORD_ID.search(record)) and _is_ours(record, new=found[1] not in known)
    ]


def _loses(text: str) -> bool:
    """Whether the builder has cache mounts that it forgets when anything is pruned, by the `text` of `listed`."""
    return any(_OWNED in record for record in _records(text))


def _is_ours(record: str, *, new: bool) -> bool:
    kind = _RECORD_TYPE.search(record)
    # A mount that we made says by which step it was made.
    if kind is None or kind[1] == "exec.cachemount" or not _RECORD_FREE.search(record):
        return False
    # What a build reads its Dockerfile from says of no build whose it is: one that appeared meanwhile may go.
    small = re.search(r"^Description:\s*local source for (dockerfile|context)$", record, re.MULTILINE)
    return MARK in record or (new and kind[1] == "source.local" and small is not None)


def _records(text: str) -> Iterator[str]:
    return (record for record in text.split("\n\n") if record.startswith("ID:"))


def _mount(written: str, values: Mapping[str, str]) -> Mount | None:
    """The cache mount that a flag of RUN says, None if it says another kind, or something that is not known here."""
    fields = {key.lower(): value for key, _, value in (field.partition("=") for field in written.split(","))}
    target = fields.get("target", fields.get("dst", fields.get("destination", "")))
    if fields.get("type") != "cache" or {"from", "source", "src"} & fields.keys():
        return None
    target, name = (_filled(text, values) for text in (target, fields.get("id", target)))
    options = tuple(f"{key}={value}" for key in _OPTIONS if (value := _filled(fields.get(key, ""), values)))
    if not (target and name and target.startswith("/") and _ID.fullmatch(name)):
        return None
    if not all(re.fullmatch(r"\w+=\w+", option) for option in options):
        return None
    return Mount(name if "id" in fields else posixpath.normpath(name), target, options)


def _values(instructions: Iterable[parse.Instruction], given: Mapping[str, str]) -> dict[str, str]:
    """The values of build arguments: those that are `given`, else the plain defaults of ARG."""
    rows = (_DEFAULT.fullmatch(one.rest) for one in instructions if one.word == "ARG")
    return {match[1]: match[2] for match in rows if match} | dict(given)


def _filled(text: str, values: Mapping[str, str]) -> str:
    """`text` with its variables; "" if one is not known."""
    names = {match[1] or match[2] for match in _VARIABLE.finditer(text)}
    filled = _VARIABLE.sub(lambda match: values.get(match[1] or match[2], ""), text)
    return filled if all(values.get(name) for name in names) and "$" not in filled else ""
