"""Find the cache mounts of a Dockerfile, and plan the helper builds that read and fill them in the builder.

BuildKit finds a mount by its id, and creates another one with the same id if uid, gid or mode differ; if `sharing`
differs it does so while the mount is in use. So a helper build repeats the options of the project's Dockerfile.
"""

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from goldi_tasks.bake import bake_arguments
from goldi_tasks.client.system_info import Docker
from goldi_tasks.command import Command
from goldi_tasks.dockerfile import parse

# Marks the builder's records of a helper build; also the name of the build context that contains its program.
MARK = "goldi-mounts"
AGENT = "agent.py"
# The tar file that the helper build writes at the root of its image; the name sorts before all others there.
TAKEN = ".goldi-mounts"
_CONTEXT_TARGET, _MOUNTS_TARGET = "/goldi-in", "/goldi-mounts"
_ID = re.compile(r"[\w./@:+-]+", re.ASCII)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_DEFAULT = re.compile(r"(\w+)=([^\s\"'\\$]+)")
_OPTIONS = ("sharing", "uid", "gid", "mode")
_RECORD_ID = re.compile(r"^ID:\s*(\S+)", re.MULTILINE)
_RECORD_TYPE = re.compile(r"^Type:\s*(\S+)", re.MULTILINE)
# Newer buildx aligns with spaces.
_RECORD_RECLAIMABLE = re.compile(r"^Reclaimable:\s*true", re.MULTILINE)
# BuildKit 0.13 (engine 26.1) has a build step for a mount's uid, gid or mode. Any prune, also its own garbage
# collection, deletes the record of that step and with it the mount (measured). The BuildKit of 28.5 has no such step.
_PERMISSIONS_STEP = "[internal] settings cache mount permissions"
_RECORD_MOUNT = re.compile(r'^Description:\s*cached mount .* with id "/(.+)"\s*$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class CacheMount:
    """A cache mount: its id, its target in the project's build, and its other options as `key=value`."""

    id: str
    target: str
    options: tuple[str, ...] = ()


def parse_mounts(text: str, args: Mapping[str, str], platform: str) -> dict[str, CacheMount]:
    """Return the cache mounts of the Dockerfile `text`, by id, with the build arguments `args` on `platform`.

    Without those whose id only the builder knows, and those whose initial content comes from another stage.
    """
    system, arch, variant = [*platform.split("/"), "", ""][:3]
    predefined = {"TARGETPLATFORM": platform, "TARGETOS": system, "TARGETARCH": arch, "TARGETVARIANT": variant}
    predefined |= {name.replace("TARGET", "BUILD"): value for name, value in predefined.items()}
    instructions = list(parse.instructions(text))
    variables = _resolve_arguments(instructions, {**predefined, **args})
    mounts: dict[str, CacheMount] = {}
    for instruction in instructions:
        flags = instruction.flags if instruction.word == "RUN" else []
        for mount in (_parse_mount(options, variables) for name, options in flags if name == "mount"):
            if mount:
                mounts.setdefault(mount.id, mount)
    return mounts


def dockerfile(base: str, mounts: Iterable[CacheMount], verb: str, token: str) -> str:
    """Return a Dockerfile whose only step runs the agent with the command `verb` and with `mounts` mounted.

    A new `token` changes the step, so that the builder does not take its result from the build cache.
    """
    flags = [f"--mount=type=bind,from={MARK},target={_CONTEXT_TARGET}"]
    for number, mount in enumerate(mounts):
        fields = ("type=cache", f"id={mount.id}", f"target={_MOUNTS_TARGET}/{number}", *mount.options)
        flags.append(f"--mount={','.join(fields)}")
    argv = ("python3", "-I", f"{_CONTEXT_TARGET}/{AGENT}", verb, _MOUNTS_TARGET, f"{MARK}-{token}")
    return f"FROM {base}\nUSER 0:0\nRUN --network=none {' '.join(flags)} {json.dumps(argv)}\n"


def build_command(docker: Docker, folder: Path, output: str, progress: str) -> Command:
    """Return the command that builds `folder`: the Dockerfile, an empty `context`, and `in` with the agent's files."""
    argv = (
        "docker",
        "buildx",
        *bake_arguments.builder_flags(docker),
        "build",
        "--progress",
        progress,
        "--output",
        output,
    )
    files = ("--file", str(folder / "Dockerfile"), "--build-context", f"{MARK}={folder / 'in'}")
    return Command((*argv, *files, str(folder / "context")))


def disk_usage_command(docker: Docker) -> Command:
    """Return the command that lists the records of the builder's cache."""
    return Command(("docker", "buildx", *bake_arguments.builder_flags(docker), "du", "--verbose"))


def prune_command(docker: Docker, record: str) -> Command:
    """Return the command that deletes a record from the builder's cache, if no other record depends on it."""
    argv = ("docker", "buildx", *bake_arguments.builder_flags(docker), "prune", "--all", "--force")
    return Command((*argv, "--filter", f"id={record}"))


def filled(text: str) -> set[str]:
    """Return the ids of the cache mounts in `text`, the output of `listed`."""
    return {match[1] for record in _split_records(text) if (match := _RECORD_MOUNT.search(record))}


def find_helper_records(text: str, before: str) -> list[str]:
    """Return the ids of the records that helper builds created, from the output of `listed` after and `before` them.

    Empty if their deletion would delete a cache mount: then the builder's garbage collection deletes the records.
    """
    if _prune_deletes_mounts(text):
        return []
    ids_before = set(_RECORD_ID.findall(before))
    return [
        match[1]
        for record in _split_records(text)
        if (match := _RECORD_ID.search(record)) and _is_helper_record(record, is_new=match[1] not in ids_before)
    ]


def _prune_deletes_mounts(text: str) -> bool:
    """Return whether the builder deletes cache mounts at any prune, by `text`, the output of `listed`."""
    return any(_PERMISSIONS_STEP in record for record in _split_records(text))


def _is_helper_record(record: str, *, is_new: bool) -> bool:
    kind = _RECORD_TYPE.search(record)
    # The record of a cache mount that a helper build created contains MARK, too: it names the step.
    if kind is None or kind[1] == "exec.cachemount" or not _RECORD_RECLAIMABLE.search(record):
        return False
    # The record of a Dockerfile or context names no build. A new one of another build may be deleted: it is small.
    local_source = re.search(r"^Description:\s*local source for (dockerfile|context)$", record, re.MULTILINE)
    return MARK in record or (is_new and kind[1] == "source.local" and local_source is not None)


def _split_records(text: str) -> Iterator[str]:
    return (record for record in text.split("\n\n") if record.startswith("ID:"))


def _parse_mount(flag: str, variables: Mapping[str, str]) -> CacheMount | None:
    """Parse the `--mount` flag of a RUN; None if it is not a cache mount, or has a variable or value unknown here."""
    fields = {key.lower(): value for key, _, value in (field.partition("=") for field in flag.split(","))}
    target = fields.get("target", fields.get("dst", fields.get("destination", "")))
    if fields.get("type") != "cache" or {"from", "source", "src"} & fields.keys():
        return None
    target, name = (_expand(text, variables) for text in (target, fields.get("id", target)))
    options = tuple(f"{key}={value}" for key in _OPTIONS if (value := _expand(fields.get(key, ""), variables)))
    if not (target and name and target.startswith("/") and _ID.fullmatch(name)):
        return None
    if not all(re.fullmatch(r"\w+=\w+", option) for option in options):
        return None
    return CacheMount(name if "id" in fields else posixpath.normpath(name), target, options)


def _resolve_arguments(instructions: Iterable[parse.Instruction], args: Mapping[str, str]) -> dict[str, str]:
    """Return the values of the build arguments: `args`, else the defaults of ARG that contain no variable or quote."""
    defaults = (_DEFAULT.fullmatch(instruction.rest) for instruction in instructions if instruction.word == "ARG")
    return {match[1]: match[2] for match in defaults if match} | dict(args)


def _expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace the variables in `text`; return "" if one is unknown or empty."""
    names = {match[1] or match[2] for match in _VARIABLE.finditer(text)}
    expanded = _VARIABLE.sub(lambda match: variables.get(match[1] or match[2], ""), text)
    return expanded if all(variables.get(name) for name in names) and "$" not in expanded else ""
