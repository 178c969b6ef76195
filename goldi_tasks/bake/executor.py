"""Run bake: retry when a cache is corrupt or changes underneath, then export the local and remote caches."""

import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.bake import bake_arguments, diagnose, export_policy, local_cache
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.bake.progress import view
from goldi_tasks.bake.progress.running_build import Build
from goldi_tasks.bake.remote_cache import Afar
from goldi_tasks.cache import cache_directories, repair, staged_export
from goldi_tasks.client import registry_errors
from goldi_tasks.client.system_info import Docker
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, GoldiError
from goldi_tasks.paths import TARGETS, Roots
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
_REMOTE = re.compile(r"^ERROR: .*(httpReadSeeker|failed to configure \w+ cache (importer|exporter))")
_READS = re.compile(r"\.cache-from=type=(?!local)").search
# Seconds in which an export to another machine says nothing: it is given up. A registry may take that long for a layer.
SILENCE = 120.0
# Tries after a failure that a cache was the reason of.
_RESTARTS = 3


class LocalCaches:
    """The directories below `roots` that hold the local caches of targets, by target name."""

    def __init__(self, roots: Roots, by_target: Mapping[str, Path]) -> None:
        self.roots, self.by_target, self.directories = roots, by_target, list(by_target.values())

    def prepare(self) -> None:
        """Make the directories; empty those that a quick check finds damaged, which would fail the build."""
        self._make()
        if damaged := repair.drop_unsound(self.directories):
            print(f"goldi: damaged local cache dropped: {', '.join(map(str, damaged))}")
            self._make()

    def drop_corrupt(self) -> bool:
        """Read every blob and empty the directories with a corrupt one; return whether there was any."""
        corrupt = repair.drop_corrupt(self.directories)
        if corrupt:
            print(f"goldi: corrupt local cache dropped, trying again: {', '.join(map(str, corrupt))}")
            self._make()
        return bool(corrupt)

    def versions(self) -> list[tuple[int, int]]:
        """Return what differs once another build has replaced a cache: inode and time of each index."""
        stats = (_stat(path / "index.json") for path in self.directories)
        return [(stat.st_ino, stat.st_mtime_ns) for stat in stats if stat]

    def _make(self) -> None:
        for directory in self.directories:
            cache_directories.ensure(self.roots, directory)


@dataclass
class Execution:
    """One run of bake for `request`, which stands for `targets`: with retries, then the exports of its caches.

    `env` are the bake file's variables, `metadata` the file that buildx writes, `dockerfile` the one that failures are
    looked up in. `log` is what the last run printed, `export_seconds` how long the exports took.
    """

    settings: Settings
    docker: Docker
    request: BuildRequest
    targets: tuple[str, ...]
    env: Mapping[str, str]
    secrets: Mapping[str, str]
    remote: Afar
    metadata: Path
    dockerfile: Path
    log: Build = field(default_factory=Build)
    export_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Decide about progress, the command and the local caches."""
        self.mode = view.choose(self.request.progress)
        if not process.is_dry():
            # The progress that we read; a command that is only shown has the one that was asked for.
            self.request = replace(self.request, progress="rawjson")
        self.command = bake_arguments.build(
            self.settings,
            self.docker,
            self.request,
            self.targets,
            self.metadata,
            self.env,
            self.secrets,
            self.remote.told,
        )
        # A target of the project's own has the caches that its bake file names, and no directory of ours.
        named = [target for target in self.targets if target in TARGETS]
        platforms = self.request.platforms
        paths = {target: local_cache.cache_directory(self.settings, target, platforms) for target in named}
        self.caches = LocalCaches(self.settings.roots, paths)
        self._exports_local = self.remote.local and local_cache.keeps(self.docker, self.request)
        self._restarts, self._delays = 0, list(registry_errors.DELAYS)

    def run(self) -> None:
        """Run bake, again where a cache or a registry was the reason of a failure; then export the caches.

        Raises CommandFailed with buildx's exit code, the GoldiError that diagnose knows, Interrupted.
        """
        if process.is_dry():
            self._show()
            return
        self.caches.prepare()
        command, title = self.command, f"building {' '.join(self.targets)}"
        while True:
            before = self.caches.versions()
            self.log = Build()
            try:
                view.follow(
                    command, self.settings.project, self.mode, self.log, title=title, dockerfile=self.dockerfile
                )
                break
            except CommandFailed as error:
                if not (again := self._next(before)):
                    raise diagnose.found(self.log, self._dockerfile_text()) or error from None
                command = again
        self._warn_unread()
        began = time.monotonic()
        always = self.request.keep_cache
        if self._exports_local and (always or export_policy.worth(self.log, self.caches.directories)):
            self._export_local()
        if self.remote.told.writes and (always or export_policy.worth_sending(self.log, self.remote.told.own)):
            self._export_remote()
        self.export_seconds = time.monotonic() - began

    def _show(self) -> None:
        process.live(self.command)
        if self._exports_local:
            process.live(self._local_export(self.caches.by_target))
        if self.remote.told.writes:
            process.live(self._remote_export())

    def _next(self, before: list[tuple[int, int]]) -> Command | None:
        """Return the command of another try after a failure, or None where it would fail again.

        A cache that is corrupt or changes underneath costs up to three tries: as before, without external caches,
        without any cache. A registry that is busy is tried again after a while.
        """
        if self._restarts < _RESTARTS and self._is_caches_fault(before):
            self._restarts += 1
            if self._restarts == 1:
                return self.command
            alone = bake_arguments.alone(self.command)
            if self._restarts < _RESTARTS:
                return alone
            # The builder may have lost a layer that it counts as there (engine 26, after a prune): until that is built
            # again every build on it would fail.
            print("goldi: building again without any cache")
            return bake_arguments.anew(alone)
        trouble = registry_errors.read(self.log.said)
        if not trouble or not trouble.passes or not self._delays:
            return None
        delay, self._restarts = self._delays.pop(0), 0
        print(f"goldi: {trouble.problem}: trying again in {delay:g} s", flush=True)
        time.sleep(delay)
        return self.command

    def _is_caches_fault(self, before: list[tuple[int, int]]) -> bool:
        """Return whether a cache was the reason of a failure, having printed it and mended what can be.

        BuildKit has no fallback for a cached layer that is cut, flipped or gone: it fails the build.
        """
        if self.caches.drop_corrupt():
            return True
        if any(map(_REMOTE.search, self.log.said)) and any(map(_READS, self.command.argv)):
            print("goldi: a cache of another machine fails the build, building without it")
            self.command = bake_arguments.alone(self.command)
            return True
        changed = self.caches.versions() != before
        if changed or any(map(_PRUNED.match, self.log.said)):
            which = "local" if changed else "builder's"
            print(f"goldi: the {which} cache changed during the build, building again")
            return True
        return False

    def _warn_unread(self) -> None:
        """Warn of a cache that exists and could not be read; one that is not there yet is normal."""
        for name, error in self.log.imports.items():
            if (trouble := registry_errors.of_cache(name, error)) and "/" in name:
                print(f"goldi: built without the cache {name}, {trouble}", file=sys.stderr)

    def _export_local(self) -> None:
        """Export the local caches. A failure is only a warning: the image is built, and the old cache stays."""
        try:
            try:
                self._replace_local()
            except CommandFailed:
                if not self.caches.drop_corrupt():
                    raise
                self._replace_local()
        except (GoldiError, OSError) as error:
            print(f"goldi: the local cache is not kept: {error}", file=sys.stderr)

    def _replace_local(self) -> None:
        with staged_export.staged(self.caches.directories) as staged:
            places = {name: one.place for name, one in zip(self.caches.by_target, staged, strict=True)}
            self._export(self._local_export(places))
            whole = [one.put() for one in staged]
        if not all(whole):
            raise CommandFailed("buildx wrote it in part only", 1, "The cache of before stays")

    def _export_remote(self) -> None:
        """Export to the remote cache. A failure is only a warning: the image is built."""
        try:
            self._export(self._remote_export(), SILENCE)
        except CommandFailed as error:
            print(f"goldi: the cache was not exported: {error}", file=sys.stderr)

    def _local_export(self, places: Mapping[str, Path]) -> Command:
        return bake_arguments.keep(self.settings, self.docker, self.request, places, self.env, self.secrets)

    def _remote_export(self) -> Command:
        return bake_arguments.export(self.settings, self.docker, self.request, self.remote.told, self.env, self.secrets)

    def _export(self, command: Command, patience: float | None = None) -> None:
        mode = self.mode if self.mode == "tty" else "quiet"
        title, project = "exporting the cache", self.settings.project
        view.follow(command, project, mode, Build(), title=title, dockerfile=Path(), patience=patience)

    def _dockerfile_text(self) -> str:
        return self.dockerfile.read_text("utf-8", "replace") if self.dockerfile.is_file() else ""


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
