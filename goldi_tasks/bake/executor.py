"""Running what was planned: bake, once more if a cache was the reason of a failure, and the local caches' export."""

import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from goldi_tasks import process
from goldi_tasks.bake import bake_arguments, diagnose, export_policy
from goldi_tasks.bake.progress import view
from goldi_tasks.bake.progress.running_build import Build
from goldi_tasks.client import registry_errors
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, GoldiError
from goldi_tasks.settings import Settings

# What buildx says when another process prunes the builder's cache while a build ends: BuildKit looks its steps up
# once more, for its own history, after all of them and the export are done (solver.ErrNotFound). And what it says when
# it has lost a step that another build, which was ended just then, had in common with this one (solver/edge.go). And
# what it says when containerd collects, after a prune, the layers that an image is being unpacked on.
_PRUNED = re.compile(
    r"^ERROR: (target \S+: )?failed to solve: "
    r"(not found$|.*failed to get state for index \d+ on |inconsistent graph state|"
    r".*parent snapshot \S+ does not exist|.*content digest \S+ not found)"
)
# What it says where a cache that it was to read breaks off, or the store is not what it must be.
_AFAR = re.compile(r"^ERROR: .*(httpReadSeeker|failed to configure \w+ cache (importer|exporter))")
_READS = re.compile(r"\.cache-from=type=(?!local)").search
# Seconds in which an export to another machine says nothing: it is given up. A registry may take that long for a layer.
SILENCE = 120.0


class Stage(Protocol):
    """Where an export goes before it is the cache; `put` makes it the cache, False if it is not whole."""

    @property
    def place(self) -> Path:
        """The directory that buildx writes to."""

    def put(self) -> bool:
        """Make it the cache."""


@dataclass(frozen=True)
class Doors:
    """What works on directories of local caches.

    `prepare` makes them, `check` drops the unsound by a look, `heal` the corrupt by reading them; both say which.
    `stage` gives a place for the export of each.
    """

    prepare: Callable[[Sequence[Path]], None]
    check: Callable[[Sequence[Path]], list[Path]]
    heal: Callable[[Sequence[Path]], list[Path]]
    stage: Callable[[Sequence[Path]], AbstractContextManager[Sequence[Stage]]]


@dataclass(frozen=True)
class Caches:
    """The directories of local caches by target, and what works on them."""

    of: Mapping[str, Path]
    doors: Doors

    @property
    def directories(self) -> list[Path]:
        """All of them."""
        return list(self.of.values())

    def prepare(self) -> None:
        """Make them, and drop what a look shows to be unsound: it would fail the build."""
        self.doors.prepare(self.directories)
        if dropped := self.doors.check(self.directories):
            print(f"goldi: damaged local cache dropped: {', '.join(map(str, dropped))}")
            self.doors.prepare(self.directories)

    def mend(self) -> bool:
        """Whether one was corrupt; it is empty then."""
        if dropped := self.doors.heal(self.directories):
            print(f"goldi: corrupt local cache dropped, trying again: {', '.join(map(str, dropped))}")
            self.doors.prepare(self.directories)
        return bool(dropped)

    def state(self) -> list[tuple[int, int]]:
        """What changes when another build puts a new cache in place."""
        indexes = (path / "index.json" for path in self.directories)
        return [(found.st_ino, found.st_mtime_ns) for path in indexes if (found := _stat(path))]


@dataclass
class Work:
    """A build that is to be run and watched in a `mode`.

    `keep` gives what exports its local caches to places, by target, if they are to be kept; if `sure`, also where
    little is new. `send` exports to a store that other machines read, in which this branch's are its `own`. `heard` is
    what its last run said, `kept` the seconds that the exports took.
    """

    settings: Settings
    command: Command
    keep: Callable[[Mapping[str, Path]], Command] | None
    caches: Caches
    mode: str
    title: str
    sure: bool = False
    send: Command | None = None
    own: frozenset[str] = frozenset()
    dockerfile: Path = Path()
    heard: Build = field(default_factory=Build)
    kept: float = 0.0

    def run(self) -> None:
        """All of it. Raises CommandFailed with buildx's exit code or what is wrong by our own lights, Interrupted."""
        if process.is_dry():
            exports = [self.keep(self.caches.of)] if self.keep else []
            for command in (self.command, *exports, *filter(None, (self.send,))):
                process.live(command)
            return
        self.caches.prepare()
        try:
            self._push()
        except CommandFailed as error:
            raise diagnose.found(self.heard, self._text()) or error from None
        self._tell_unread()
        if self.keep and (self.sure or export_policy.worth(self.heard, self.caches.directories)):
            began = time.monotonic()
            self._export(self.keep)
            self.kept = time.monotonic() - began
        if self.send and (self.sure or export_policy.worth_sending(self.heard, self.own)):
            began = time.monotonic()
            self._send(self.send)
            self.kept += time.monotonic() - began

    def _tell_unread(self) -> None:
        """Of a cache that there is and that could not be read; one that is not there yet is none."""
        for name, error in self.heard.imports.items():
            if (trouble := registry_errors.of_cache(name, error)) and "/" in name:
                print(f"goldi: built without the cache {name}, {trouble}", file=sys.stderr)

    def _push(self) -> None:
        """The build, with another try after a while where a registry did not take what is pushed."""
        for delay in registry_errors.DELAYS:
            try:
                return self._bake()
            except CommandFailed:
                trouble = registry_errors.read(self.heard.said)
                if not trouble or not trouble.passes:
                    raise
                print(f"goldi: {trouble.problem}: trying again in {delay:g} s", flush=True)
                time.sleep(delay)
        return self._bake()

    def _send(self, command: Command) -> None:
        """That a cache did not arrive is told, and no failure: the image is there."""
        try:
            self._follow_export(command, SILENCE)
        except CommandFailed as error:
            print(f"goldi: the cache was not exported: {error}", file=sys.stderr)

    def _bake(self) -> None:
        """A corrupt cache, or one that changes meanwhile, costs a rebuild and not the build; at last it is left out."""
        alone = bake_arguments.alone(self.command)
        for command in (self.command, None, alone):
            before = self.caches.state()
            try:
                return self._follow(command or self.command)
            except CommandFailed:
                if not self._shaken(before):
                    raise
        # The builder may have lost a layer that it counts as there (engine 26, after a prune): until it is made anew
        # every build on it would fail. What is made later is what is taken from then on.
        print("goldi: building again without any cache")
        return self._follow(bake_arguments.anew(alone))

    def _shaken(self, before: list[tuple[int, int]]) -> bool:
        """Whether a cache was the reason of a failure, said and mended as far as it can be.

        BuildKit has no fallback for a cached layer that is cut, flipped or gone: it fails the build.
        """
        if self.caches.mend():
            return True
        if any(map(_AFAR.search, self.heard.said)) and any(map(_READS, self.command.argv)):
            print("goldi: a cache of another machine fails the build, building without it")
            self.command = bake_arguments.alone(self.command)
            return True
        changed = self.caches.state() != before
        if changed or any(map(_PRUNED.match, self.heard.said)):
            whose = "local" if changed else "builder's"
            print(f"goldi: the {whose} cache changed during the build, building again")
            return True
        return False

    def _export(self, keep: Callable[[Mapping[str, Path]], Command]) -> None:
        """That caches cannot be kept is told, and no failure: the image is there, and so is the cache of before."""
        try:
            try:
                self._stage(keep)
            except CommandFailed:
                if not self.caches.mend():
                    raise
                self._stage(keep)
        except (GoldiError, OSError) as error:
            print(f"goldi: the local cache is not kept: {error}", file=sys.stderr)

    def _stage(self, keep: Callable[[Mapping[str, Path]], Command]) -> None:
        with self.caches.doors.stage(self.caches.directories) as stages:
            self._follow_export(keep({name: stage.place for name, stage in zip(self.caches.of, stages, strict=True)}))
            put = [stage.put() for stage in stages]
        if not all(put):
            raise CommandFailed("buildx wrote it in part only", 1, "The cache of before stays")

    def _follow(self, command: Command) -> None:
        self.heard = Build()
        project, file = self.settings.project, self.dockerfile
        view.follow(command, project, self.mode, self.heard, title=self.title, dockerfile=file)

    def _follow_export(self, command: Command, patience: float | None = None) -> None:
        mode = self.mode if self.mode == "tty" else "quiet"
        title, project = "exporting the cache", self.settings.project
        view.follow(command, project, mode, Build(), title=title, dockerfile=Path(), patience=patience)

    def _text(self) -> str:
        return self.dockerfile.read_text("utf-8", "replace") if self.dockerfile.is_file() else ""


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
