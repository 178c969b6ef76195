"""Decide whether targets are up to date: the one place that does, for builds, checks, the stack and the dev container.

docs/builds.md explains the rule. A target is up to date if what goes into it has the digest that it had when its image
was made, and the engine has that image, and the images that it was made from, under their names. What goes in is known
from three sources, none of which we read in the builder's place: what `bake --print` makes of the bake file, the bytes
of the files that bake and BuildKit read, and the builder's own log, which names the images that a build needed.
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
from goldi_tasks.bake.build_context import WHOLE, Context, Memory
from goldi_tasks.bake.control_files import NotUnderstood
from goldi_tasks.client.system_info import Docker
from goldi_tasks.dockerfile import parse
from goldi_tasks.errors import CommandFailed
from goldi_tasks.settings import Settings

# A change of what counts, or how, must not meet digests of before.
VERSION = 3
# With one of these in a bake file the builder does more than to compare, or makes no image of the engine's.
_UNKNOWABLE = ("no-cache", "no-cache-filter", "pull", "output", "policy")
# The same said on the command line.
_FORCED = ("force", "no_cache", "pull", "push", "sets", "keep_cache")


@dataclass(frozen=True)
class Part:
    """What a target reads of a context: `paths` of the directory `root`, under the rules of the file `ignore`."""

    root: str
    ignore: str
    paths: tuple[str, ...]
    context: Context = field(repr=False)

    def record(self) -> dict[str, Any]:
        """Return it in the types of JSON."""
        content = [self.context.digest, self.context.stats, dict(self.context.young)]
        return {**vars(self), "paths": list(self.paths), "context": content}


@dataclass(frozen=True)
class Target:
    """What goes into a target: `inputs` is a digest of all but images, `parts` what is read of contexts.

    `unknown` says what cannot be known; then there is no digest.
    """

    inputs: str = ""
    parts: tuple[Part, ...] = ()
    unknown: str = ""


@dataclass(frozen=True)
class Built:
    """What a build has made: names of steps in the builder's `log`, the `docker` that built, `digests` of images.

    Somebody else may have given their names to other images, whose ids are not among those. `measured` is the number of
    the context's files, and their bytes.
    """

    log: Sequence[str]
    docker: Docker
    digests: set[str]
    measured: tuple[int, int]


@dataclass(frozen=True)
class Look:
    """What goes into targets now. `images` are the ids of their images by tag if all are up to date.

    `reason` says why the builder has to be asked, "" if it has not; it is `lasting` if it will be the same next time.
    `files` and `bytes` are the number and the size of the files in the context when it was last built.
    """

    targets: Mapping[str, Target]
    reason: str
    lasting: bool = False
    images: Mapping[str, str] = field(default_factory=dict)
    files: int = 0
    bytes: int = 0
    printed: Mapping[str, Any] = field(default_factory=dict, repr=False)


def look(
    settings: Settings,
    request: build_request.BuildRequest,
    env: Mapping[str, str],
    *,
    where: str = "",
    printed: Mapping[str, Any] | None = None,
    on_change: Callable[[], object] = lambda: None,
) -> Look:
    """Look at what goes into the targets of `request`.

    `where` names the builder if it is not the current one, `printed` is from an earlier look of the same run.
    `on_change` is called as soon as it is known that a file has changed, while bake is still asked.
    """
    files, records = _Files(settings), _load(settings)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(bakefile.printed, settings, request.targets, env) if printed is None else None
        names: Sequence[str] = records["requests"].get(" ".join(request.targets), ())
        if not names or any(_has_changed(settings, files, records["targets"].get(name)) for name in names):
            on_change()
        try:
            document = asked.result() if asked else printed or {}
            names = build_request.members(document, request.targets)
        except (CommandFailed, ValueError, LookupError, TypeError, AttributeError):
            # buildx says best what is wrong.
            return Look({}, "bake cannot read its file")
    seen = _Looker(settings, records, files, document, where).look(request, names)
    files.write()
    if not seen.reason and _grow_up(records["targets"], seen.targets):
        _write(_file(settings, "targets"), records)
    return seen


def remember(
    settings: Settings,
    request: build_request.BuildRequest,
    before: Look,
    built: Built,
    where: str = "",
) -> None:
    """Remember what a build has made of what `before` saw, if nothing has changed meanwhile."""
    records = _load(settings)
    looker = _Looker(settings, records, _Files(settings), before.printed, where)
    used = external_sources.parse(built.log)
    there = client_state.images({*used.images, *looker.tags(before.targets)}, looker.address)
    common = {
        "bases": {name: there[name].id for name in used.images if name in there},
        "variables": sorted({one for name in used.images if name in there for one in there[name].variables}),
        "instructs": any(there[name].instructs for name in used.images if name in there),
        "outside": _outside(used, there, built.docker),
        "address": looker.address,
        "client": looker.client,
        "measured": built.measured,
    }
    moved = any(name in there and there[name].digests.isdisjoint(one) for name, one in used.digests.items())
    again = {} if moved else {name: looker.target(name) for name in before.targets}
    for name, target in before.targets.items():
        records["targets"].pop(name, None)
        images = {tag: there[tag].id for tag in looker.tags([name]) if tag in there}
        if not target.unknown and again.get(name) == target and images and built.digests.issuperset(images.values()):
            records["targets"][name] = {**common, "images": images}
            # With what is known now of its base images fewer files may count.
            last = looker.target(name)
            parts = [part.record() for part in last.parts]
            records["targets"][name] |= {"inputs": last.inputs, "parts": parts}
    records["requests"][" ".join(request.targets)] = list(before.targets)
    _write(_file(settings, "targets"), records)


def image(settings: Settings, target: str, env: Mapping[str, str]) -> str:
    """Return the id of the image of `target` if it is up to date, else ""."""
    try:
        printed = bakefile.remembered(settings, (target,), env, _file(settings, "prints"))
    except (CommandFailed, ValueError, LookupError, OSError):
        return ""
    seen = look(settings, build_request.BuildRequest((target,)), env, printed=printed)
    return "" if seen.reason else next(iter(seen.images.values()))


def folder(settings: Settings, environ: Mapping[str, str] = os.environ) -> Path:
    """Where what is remembered of a project is kept, for a user with `environ`. It may not exist."""
    return state.folder("inputs", settings.key, environ=environ)


class _Files:
    """Reads contexts, each once, with what earlier runs remember of their files."""

    def __init__(self, settings: Settings) -> None:
        self._file = _file(settings, "files")
        self._memory: dict[str, Memory] | None = None
        self._changed = False
        self._read: dict[tuple[str, str, Sequence[str]], Context] = {}

    def read(self, root: Path, ignore_text: str, paths: tuple[str, ...], last: Context | None) -> Context:
        """Read `paths` of the context `root`. Raises OSError."""
        key = (str(root), ignore_text, paths)
        if key not in self._read:
            self._read[key] = build_context.read(root, ignore_text, paths, last, lambda: self._of(root))
            if memory := self._read[key].memory:
                self._known()[str(root)] = memory if "." in paths else self._of(root) | memory
                self._changed = True
        return self._read[key]

    def write(self) -> None:
        """Keep what was read for later runs."""
        if self._changed:
            _write(self._file, {"files": self._known()})

    def _of(self, root: Path) -> Memory:
        return self._known().get(str(root), {})

    def _known(self) -> dict[str, Memory]:
        if self._memory is None:
            self._memory = _read(self._file).get("files", {})
        return self._memory


class _Looker:
    """Looks at targets of one `bake --print`, with what is remembered of earlier builds."""

    def __init__(
        self, settings: Settings, records: Mapping[str, Any], files: _Files, printed: Mapping[str, Any], where: str
    ) -> None:
        self.settings, self.records, self.files, self.where = settings, records["targets"], files, where
        self.printed = printed
        self.client = client_state.digest(process.environment(), settings.project)

    @cached_property
    def address(self) -> str:
        """The address of the engine, "" where docker cannot say it."""
        addresses = (row["address"] for row in self.records.values() if row["client"] == self.client)
        try:
            return next(addresses, "") or client_state.endpoint()
        except CommandFailed:
            return ""

    def look(self, request: build_request.BuildRequest, names: Sequence[str]) -> Look:
        """Look at the targets `names`, for which `request` stands."""
        targets = {name: self.target(name) for name in names}
        rows = [self.records.get(name) for name in names]
        asked = next((field for field in _FORCED if getattr(request, field)), "")
        unknown = next((f"{name}: {target.unknown}" for name, target in targets.items() if target.unknown), "")
        images = {tag: one for row in rows if row for tag, one in row["images"].items()}
        bases = {base: one for row in rows if row for base, one in row["bases"].items()}
        measured = next((row["measured"] for row in rows if row), (0, 0))
        reason, lasting = "", bool(unknown)
        if asked or unknown:
            reason = f"--{asked.replace('_', '-').replace('sets', 'set')} was given" if asked else unknown
        elif not all(rows):
            reason = "no build of it is remembered"
        elif changed := next((name for name in names if self._differs(name, targets[name])), ""):
            reason = f"what goes into {changed} has changed"
        elif outside := next((row["outside"] for row in rows if row and row["outside"]), ""):
            reason, lasting = outside, True
        elif moved := self._moved(bases | images):
            reason = f"{moved} is another image, or gone"
        return Look(targets, reason, lasting, images, measured[0], measured[1], self.printed)

    def tags(self, names: Iterable[str]) -> list[str]:
        """List the names that the images of targets get."""
        return [external_sources.plain(tag) for name in names for tag in self.printed["target"][name].get("tags", ())]

    def target(self, name: str) -> Target:
        """Look at what goes into the target `name`."""
        try:
            return self._target(name, self.records.get(name))
        except NotUnderstood as error:
            return Target(unknown=str(error))
        except (OSError, LookupError, TypeError, AttributeError, ValueError) as error:
            return Target(unknown=f"not understood: {error}")

    def _target(self, name: str, record: Mapping[str, Any] | None) -> Target:
        project, bits, parts = self.settings.project, list[Any](), list[Part]()
        for one in self._linked(name):
            row = self.printed["target"][one]
            if key := next((key for key in _UNKNOWABLE if row.get(key)), ""):
                raise NotUnderstood(f"its bake file says `{key}`")
            if one == name and not row.get("tags"):
                raise NotUnderstood("its image has no name")
            files = control_files.find(project, row)
            bits += [
                one,
                row,
                sorted((path, hashlib.sha256(data).hexdigest()) for path, data in files.contents.items()),
            ]
            paths = self._paths(files.text, row, record) if files.plain else tuple(WHOLE)
            parts.append(self._part(files.root, files.ignore, files.ignore_text, paths, record))
            for label, value in sorted(row.get("contexts", {}).items()):
                if not value.startswith(("target:", "docker-image://")):
                    root = control_files.directory(project, value, f"context {label}")
                    parts.append(self._part(root, None, "", tuple(WHOLE), record))
        bake_file = self.settings.bake_file.read_bytes().decode("utf-8", "surrogateescape")
        bits += [VERSION, __version__, self.where, self.client, bake_file]
        bits += [(part.root, part.paths, part.context.digest) for part in parts]
        return Target(hashlib.sha256(json.dumps(bits, sort_keys=True).encode()).hexdigest(), tuple(parts))

    def _linked(self, name: str) -> list[str]:
        """List `name` and the targets that it takes for contexts."""
        names = [name]
        for one in names:
            values = self.printed["target"][one].get("contexts", {}).values()
            names += [link for value in values if value.startswith("target:") and (link := value[7:]) not in names]
        return names

    def _paths(self, text: str, row: Mapping[str, Any], record: Mapping[str, Any] | None) -> tuple[str, ...]:
        """Return the paths of its context that a target reads; all of it where they are not known."""
        reads = parse.find_reads(text, row.get("args", {}), row.get("target", ""))
        if not reads or not record or record["instructs"] or not reads.variables.isdisjoint(record["variables"]):
            return tuple(WHOLE)
        return tuple(sorted(reads.paths))

    def _part(
        self, root: Path, ignore: Path | None, text: str, paths: tuple[str, ...], record: Mapping[str, Any] | None
    ) -> Part:
        place, file = str(root), str(ignore or "")
        rows = record.get("parts", ()) if record else ()
        key = (place, file, list(paths))
        last = next((row["context"] for row in rows if (row["root"], row["ignore"], row["paths"]) == key), None)
        return Part(place, file, paths, self.files.read(root, text, paths, Context(*last) if last else None))

    def _differs(self, name: str, target: Target) -> bool:
        record = self.records[name]
        return record["inputs"] != target.inputs or not set(self.tags([name])) <= record["images"].keys()

    def _moved(self, images: Mapping[str, str]) -> str:
        """Return the first of `images` that the engine has not under its name; "" if it has all."""
        there = client_state.images(images, self.address)
        return next((name for name, one in images.items() if name not in there or there[name].id != one), "")


def _has_changed(settings: Settings, files: _Files, record: Mapping[str, Any] | None) -> bool:
    """Whether a file that counted at the last build is surely another now."""
    try:
        for row in record["parts"] if record else ():
            text = Path(row["ignore"]).read_text("utf-8", "surrogateescape") if row["ignore"] else ""
            last = Context(*row["context"])
            if files.read(Path(row["root"]), text, tuple(row["paths"]), last).digest != last.digest:
                return True
    except OSError:
        return True
    return not record


def _grow_up(records: Mapping[str, Any], targets: Mapping[str, Target]) -> bool:
    """Let `records` know of files that stat can speak for now; whether there are any."""
    grown = False
    for name, target in targets.items():
        parts = [part.record() for part in target.parts]
        grown = grown or parts != records[name]["parts"]
        records[name]["parts"] = parts
    return grown


def _outside(used: external_sources.Sources, there: Mapping[str, client_state.Image], docker: Docker) -> str:
    """Say what may change where neither the project nor the engine shows it; "" if nothing does."""
    if used.others:
        return f"{min(used.others)} is read, which may have changed"
    for name in sorted(used.images):
        if "@sha256:" not in name and (docker.driver != "docker" or (docker.container and not docker.builder)):
            return f"{name} may have changed in its registry (a name with @sha256: cannot)"
        if "@sha256:" not in name and name not in there:
            return f"{name} is not on this engine and may have changed in its registry (`docker pull {name}` keeps it)"
    return ""


def _load(settings: Settings) -> dict[str, Any]:
    return {"targets": {}, "requests": {}} | _read(_file(settings, "targets"))


def _file(settings: Settings, name: str) -> Path:
    return folder(settings) / f"{name}.json"


def _read(file: Path) -> dict[str, Any]:
    """Read what was kept; nothing if it is not there, or was written by another version."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return kept if kept["version"] == VERSION else {}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def _write(file: Path, kept: dict[str, Any]) -> None:
    """Keep `kept`, if it can be: else the next build asks the builder, and that is all."""
    with suppress(OSError):
        state.write(file, json.dumps({**kept, "version": VERSION}))
