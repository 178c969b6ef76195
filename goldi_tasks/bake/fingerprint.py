"""Decide whether targets are up to date, for builds, checks, the stack and the dev container.

docs/builds.md explains the rule. A target is up to date if the digest of its inputs is that of its last build, and if
the engine still has its image and its base images under their names. The inputs come from three sources, so that no
rule of the builder is repeated here: the output of `bake --print`, the bytes of the files that bake and BuildKit read,
and the builder's log, which names the images that a build used.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from goldi_tasks import __version__, process, state
from goldi_tasks.bake import bakefile, build_context, build_request, client_state, control_files, external_sources
from goldi_tasks.bake.build_context import WHOLE, ContextState, Memory
from goldi_tasks.bake.control_files import NotUnderstood
from goldi_tasks.client.system_info import Docker
from goldi_tasks.dockerfile import parse
from goldi_tasks.errors import CommandFailed
from goldi_tasks.settings import Settings

# To be increased whenever the digests are computed differently: older records are ignored then.
VERSION = 3
# With one of these in the bake file a build may change the image though no input did, or loads no image.
_UNSUPPORTED_KEYS = ("no-cache", "no-cache-filter", "pull", "output", "policy")
# Options of the command line with which bake is always run.
_FORCING_OPTIONS = ("force", "no_cache", "pull", "push", "sets", "keep_cache")


@dataclass(frozen=True)
class ContextPart:
    """The part of a context that a target reads: `paths` of the directory `root`, filtered by the file `ignore`."""

    root: str
    ignore: str
    paths: tuple[str, ...]
    context: ContextState = field(repr=False)

    def record(self) -> dict[str, Any]:
        """Return the part in the types of JSON."""
        content = [self.context.digest, self.context.stats, dict(self.context.young)]
        return {**vars(self), "paths": list(self.paths), "context": content}


@dataclass(frozen=True)
class Target:
    """The inputs of a target: `inputs` is the digest of all but images, `parts` are the parts of contexts it reads.

    `problem` says why the inputs cannot be determined; then there is no digest.
    """

    inputs: str = ""
    parts: tuple[ContextPart, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Built:
    """A finished build: names of steps in the builder's `log`, the `docker` that built, `digests` of its images.

    The digests show whether another process has meanwhile given an image's tag to another image. `context_size` is the
    number of files in the context and their bytes.
    """

    log: Sequence[str]
    docker: Docker
    digests: set[str]
    context_size: tuple[int, int]


@dataclass(frozen=True)
class InputCheck:
    """The current inputs of targets; `images` holds the ids of their recorded images by tag.

    `reason` says why bake has to be run, "" if all are up to date; it `is_recurring` if every build will have it.
    `files` and `bytes` are the number and the size of the files in the context at the last build. `printed` is the
    output of `bake --print`.
    """

    targets: Mapping[str, Target]
    reason: str
    is_recurring: bool = False
    images: Mapping[str, str] = field(default_factory=dict)
    files: int = 0
    bytes: int = 0
    printed: Mapping[str, Any] = field(default_factory=dict, repr=False)


def check_inputs(
    settings: Settings,
    request: build_request.BuildRequest,
    env: Mapping[str, str],
    *,
    builder: str = "",
    printed: Mapping[str, Any] | None = None,
    on_change: Callable[[], object] = lambda: None,
) -> InputCheck:
    """Compare the inputs of the targets of `request` with the records of their last builds. Raises UnknownName.

    `builder` is the builder's name and endpoint if it is not the current one, `printed` the output of `bake --print` if
    the caller has it. `on_change` is called as soon as a changed file is found, while `bake --print` still runs.
    """
    files, records = _ContextReader(settings), _load_records(settings)
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(bakefile.run_bake_print, settings, request.targets, env) if printed is None else None
        names: Sequence[str] = records["requests"].get(" ".join(request.targets), ())
        if not names or any(_has_changed_files(settings, files, records["targets"].get(name)) for name in names):
            on_change()
        try:
            document = pending.result() if pending else printed or {}
            names = build_request.resolve_targets(document, request.targets)
        except (CommandFailed, ValueError, LookupError, TypeError, AttributeError):
            # buildx will report the error of the bake file.
            return InputCheck({}, "bake cannot read the bake file")
    current = _InputReader(settings, records, files, document, builder).check(request, names)
    files.write()
    if not current.reason and _update_parts(records["targets"], current.targets):
        _write_json(_file(settings, "targets"), records)
    return current


def remember(
    settings: Settings,
    request: build_request.BuildRequest,
    before: InputCheck,
    built: Built,
    builder: str = "",
) -> None:
    """Record the inputs in `before` and the images of a finished build, unless the inputs changed during the build."""
    records = _load_records(settings)
    reader = _InputReader(settings, records, _ContextReader(settings), before.printed, builder)
    used = external_sources.parse(built.log)
    images = client_state.images({*used.images, *reader.tags(before.targets)}, reader.address)
    bases = {name: images[name] for name in used.images if name in images}
    common = {
        "bases": {name: base.id for name, base in bases.items()},
        "variables": sorted({variable for base in bases.values() for variable in base.variables}),
        "instructs": any(base.has_onbuild for base in bases.values()),
        "outside": _find_external_input(used, images, built.docker),
        "address": reader.address,
        "client": reader.client,
        "measured": built.context_size,
    }
    has_changed_base = any(
        name in images and images[name].digests.isdisjoint(digests) for name, digests in used.digests.items()
    )
    current = {} if has_changed_base else {name: reader.target(name) for name in before.targets}
    for name, target in before.targets.items():
        records["targets"].pop(name, None)
        image_ids = {tag: images[tag].id for tag in reader.tags([name]) if tag in images}
        is_built = bool(image_ids) and built.digests.issuperset(image_ids.values())
        if is_built and not target.problem and current.get(name) == target:
            records["targets"][name] = {**common, "images": image_ids}
            # Read again: with the recorded base images fewer files may count.
            inputs = reader.target(name)
            parts = [part.record() for part in inputs.parts]
            records["targets"][name] |= {"inputs": inputs.inputs, "parts": parts}
    records["requests"][" ".join(request.targets)] = list(before.targets)
    _write_json(_file(settings, "targets"), records)


def image(settings: Settings, target: str, env: Mapping[str, str]) -> str:
    """Return the id of the image of `target` if it is up to date, else ""."""
    try:
        printed = bakefile.run_cached_bake_print(settings, (target,), env, _file(settings, "prints"))
    except (CommandFailed, ValueError, LookupError, OSError):
        return ""
    current = check_inputs(settings, build_request.BuildRequest((target,)), env, printed=printed)
    return "" if current.reason else next(iter(current.images.values()))


def folder(settings: Settings, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory of a project's records, for a user with `environ`. It may not exist."""
    return state.folder("inputs", settings.key, environ=environ)


class _ContextReader:
    """A reader that reads each context once, and uses the file digests that earlier runs recorded."""

    def __init__(self, settings: Settings) -> None:
        self._file = _file(settings, "files")
        self._loaded: dict[str, Memory] | None = None
        self._is_modified = False
        self._contexts: dict[tuple[str, str, Sequence[str]], ContextState] = {}

    def read(self, root: Path, ignore_text: str, paths: tuple[str, ...], last: ContextState | None) -> ContextState:
        """Read `paths` of the context `root`; `last` is the recorded state. Raises OSError."""
        key = (str(root), ignore_text, paths)
        if key not in self._contexts:
            self._contexts[key] = build_context.read(root, ignore_text, paths, last, lambda: self._root_memory(root))
            if memory := self._contexts[key].memory:
                self._memories()[str(root)] = memory if "." in paths else self._root_memory(root) | memory
                self._is_modified = True
        return self._contexts[key]

    def write(self) -> None:
        """Write the file digests for later runs."""
        if self._is_modified:
            _write_json(self._file, {"files": self._memories()})

    def _root_memory(self, root: Path) -> Memory:
        return self._memories().get(str(root), {})

    def _memories(self) -> dict[str, Memory]:
        if self._loaded is None:
            self._loaded = _read_json(self._file).get("files", {})
        return self._loaded


class _InputReader:
    """A reader of the inputs of targets, which compares them with the records of earlier builds."""

    def __init__(
        self,
        settings: Settings,
        records: Mapping[str, Any],
        files: _ContextReader,
        printed: Mapping[str, Any],
        builder: str,
    ) -> None:
        self.settings, self.records, self.files, self.builder = settings, records["targets"], files, builder
        self.printed = printed
        self.client = client_state.digest(process.environment(), settings.project)

    @cached_property
    def address(self) -> str:
        """Return the address of the engine, "" if docker does not report it."""
        addresses = (row["address"] for row in self.records.values() if row["client"] == self.client)
        try:
            return next(addresses, "") or client_state.endpoint()
        except CommandFailed:
            return ""

    def check(self, request: build_request.BuildRequest, names: Sequence[str]) -> InputCheck:
        """Check whether the targets `names`, those of `request`, are up to date."""
        targets = {name: self.target(name) for name in names}
        rows = [self.records.get(name) for name in names]
        option = next((field for field in _FORCING_OPTIONS if getattr(request, field)), "")
        problem = next((f"{name}: {target.problem}" for name, target in targets.items() if target.problem), "")
        images = {tag: image_id for row in rows if row for tag, image_id in row["images"].items()}
        bases = {base: image_id for row in rows if row for base, image_id in row["bases"].items()}
        files, size = next((row["measured"] for row in rows if row), (0, 0))
        reason, is_recurring = "", bool(problem)
        if option or problem:
            reason = f"--{option.replace('_', '-').replace('sets', 'set')} was given" if option else problem
        elif not all(rows):
            reason = "no earlier build is recorded"
        elif changed := next((name for name in names if self._has_changed(name, targets[name])), ""):
            reason = f"what goes into {changed} has changed"
        elif external := next((row["outside"] for row in rows if row and row["outside"]), ""):
            reason, is_recurring = external, True
        elif changed_image := self._find_changed_image(bases | images):
            reason = f"the image {changed_image} has changed or is missing"
        return InputCheck(targets, reason, is_recurring, images, files, size, self.printed)

    def tags(self, names: Iterable[str]) -> list[str]:
        """List the tags of the images of targets."""
        return [external_sources.plain(tag) for name in names for tag in self.printed["target"][name].get("tags", ())]

    def target(self, name: str) -> Target:
        """Read the inputs of the target `name`."""
        try:
            return self._target(name, self.records.get(name))
        except NotUnderstood as error:
            return Target(problem=str(error))
        except (OSError, LookupError, TypeError, AttributeError, ValueError) as error:
            return Target(problem=f"not understood: {error}")

    def _target(self, name: str, record: Mapping[str, Any] | None) -> Target:
        """Read the inputs of a target. Raises NotUnderstood, OSError, and others for an unexpected document."""
        project, inputs, parts = self.settings.project, list[Any](), list[ContextPart]()
        for linked_name in self._linked(name):
            row = self.printed["target"][linked_name]
            if key := next((key for key in _UNSUPPORTED_KEYS if row.get(key)), ""):
                raise NotUnderstood(f"its bake file sets `{key}`")
            if linked_name == name and not row.get("tags"):
                raise NotUnderstood("its image has no tag")
            files = control_files.find(project, row)
            digests = sorted((path, hashlib.sha256(content).hexdigest()) for path, content in files.contents.items())
            inputs += [linked_name, row, digests]
            paths = self._paths(files.text, row, record) if files.plain else tuple(WHOLE)
            parts.append(self._part(files.root, files.ignore, files.ignore_text, paths, record))
            for label, value in sorted(row.get("contexts", {}).items()):
                if not value.startswith(("target:", "docker-image://")):
                    root = control_files.directory(project, value, f"context {label}")
                    parts.append(self._part(root, None, "", tuple(WHOLE), record))
        bake_file = self.settings.bake_file.read_bytes().decode("utf-8", "surrogateescape")
        inputs += [VERSION, __version__, self.builder, self.client, bake_file]
        inputs += [(part.root, part.paths, part.context.digest) for part in parts]
        return Target(hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest(), tuple(parts))

    def _linked(self, name: str) -> list[str]:
        """List `name` and the targets that it uses as contexts, directly or through others."""
        names = [name]
        for target in names:
            values = self.printed["target"][target].get("contexts", {}).values()
            names += [link for value in values if value.startswith("target:") and (link := value[7:]) not in names]
        return names

    def _paths(self, text: str, row: Mapping[str, Any], record: Mapping[str, Any] | None) -> tuple[str, ...]:
        """Return the paths of its context that a target reads; the whole context if they cannot be determined."""
        reads = parse.find_inputs(text, row.get("args", {}), row.get("target", ""))
        if not reads or not record or record["instructs"] or not reads.variables.isdisjoint(record["variables"]):
            return tuple(WHOLE)
        return tuple(sorted(reads.paths))

    def _part(
        self, root: Path, ignore: Path | None, text: str, paths: tuple[str, ...], record: Mapping[str, Any] | None
    ) -> ContextPart:
        """Read `paths` of the context `root`, where `text` is the content of the file `ignore`. Raises OSError."""
        key = (str(root), str(ignore or ""), list(paths))
        rows = record.get("parts", ()) if record else ()
        last = next((row["context"] for row in rows if (row["root"], row["ignore"], row["paths"]) == key), None)
        return ContextPart(
            key[0], key[1], paths, self.files.read(root, text, paths, ContextState(*last) if last else None)
        )

    def _has_changed(self, name: str, target: Target) -> bool:
        record = self.records[name]
        return record["inputs"] != target.inputs or not set(self.tags([name])) <= record["images"].keys()

    def _find_changed_image(self, image_ids: Mapping[str, str]) -> str:
        """Return the first name for which the engine has no image or one with another id; "" if there is none."""
        images = client_state.images(image_ids, self.address)
        return next(
            (name for name, image_id in image_ids.items() if name not in images or images[name].id != image_id), ""
        )


def _has_changed_files(settings: Settings, files: _ContextReader, record: Mapping[str, Any] | None) -> bool:
    """Return whether a file of the recorded build has certainly changed, or no build is recorded."""
    try:
        for row in record["parts"] if record else ():
            text = Path(row["ignore"]).read_text("utf-8", "surrogateescape") if row["ignore"] else ""
            last = ContextState(*row["context"])
            if files.read(Path(row["root"]), text, tuple(row["paths"]), last).digest != last.digest:
                return True
    except OSError:
        return True
    return not record


def _update_parts(records: Mapping[str, Any], targets: Mapping[str, Target]) -> bool:
    """Update the `parts` of records and return whether any differs.

    They do once files are old enough that their stat alone shows a change.
    """
    has_changed = False
    for name, target in targets.items():
        parts = [part.record() for part in target.parts]
        has_changed = has_changed or parts != records[name]["parts"]
        records[name]["parts"] = parts
    return has_changed


def _find_external_input(
    used: external_sources.Sources, images: Mapping[str, client_state.EngineImage], docker: Docker
) -> str:
    """Describe an input whose change neither the project nor the engine shows; "" if there is none."""
    if used.others:
        return f"{min(used.others)} is read and may have changed"
    for name in sorted(used.images):
        if "@sha256:" not in name and (docker.driver != "docker" or (docker.container and not docker.builder)):
            return f"{name} may have changed in its registry (a name with @sha256: cannot)"
        if "@sha256:" not in name and name not in images:
            return f"{name} is not on this engine and may have changed in its registry (`docker pull {name}` keeps it)"
    return ""


def _load_records(settings: Settings) -> dict[str, Any]:
    return {"targets": {}, "requests": {}} | _read_json(_file(settings, "targets"))


def _file(settings: Settings, name: str) -> Path:
    return folder(settings) / f"{name}.json"


def _read_json(file: Path) -> dict[str, Any]:
    """Return the records in `file`; nothing if it is missing, damaged or of another version."""
    try:
        records = json.loads(file.read_text(encoding="utf-8"))
        return records if records["version"] == VERSION else {}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def _write_json(file: Path, records: dict[str, Any]) -> None:
    """Write `records`. An error is ignored: then the next build runs bake."""
    with suppress(OSError):
        state.write(file, json.dumps({**records, "version": VERSION}))
