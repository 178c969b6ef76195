"""Run bake: retry when a cache is corrupt or changes during the build, then export the local and remote caches."""

import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.bake import bake_arguments, diagnose, export_policy
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.bake.progress import view
from goldi_tasks.bake.progress.running_build import RunningBuild
from goldi_tasks.bake.remote_cache import CachePlan
from goldi_tasks.cache import cache_directories, repair, staged_export
from goldi_tasks.client import registry_errors
from goldi_tasks.client.system_info import Docker
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, GoldiError
from goldi_tasks.paths import TARGETS, Roots
from goldi_tasks.settings import Settings

# Errors of buildx when the builder's cache changes during a build:
# - Another process prunes it while a build ends: after the export BuildKit looks its steps up again, for its own
#   history (solver.ErrNotFound).
# - Another build that shared a step with this one was ended (solver/edge.go).
# - After a prune, containerd collects the layers that an image is being unpacked on.
_PRUNED = re.compile(
    r"^ERROR: (target \S+: )?failed to solve: "
    r"(not found$|.*failed to get state for index \d+ on |inconsistent graph state|"
    r".*parent snapshot \S+ does not exist|.*content digest \S+ not found)"
)
# Errors of buildx when the download of a remote cache breaks off, or its store cannot be used.
_REMOTE_ERROR = re.compile(r"^ERROR: .*(httpReadSeeker|failed to configure \w+ cache (importer|exporter))")
_HAS_REMOTE_IMPORT = re.compile(r"\.cache-from=type=(?!local)").search
# Seconds without output after which a remote export is given up. A registry may take that long for a layer.
SILENCE = 120.0
# Further tries after failures that a cache caused.
_MAX_RESTARTS = 3


class LocalCaches:
    """The directories below `roots` that hold the local caches of targets, by target name."""

    def __init__(self, roots: Roots, by_target: Mapping[str, Path]) -> None:
        self.roots, self.by_target, self.directories = roots, by_target, list(by_target.values())

    def prepare(self) -> None:
        """Create the directories; empty those that a quick check finds damaged, which would fail the build."""
        self._create_directories()
        if damaged := repair.drop_unsound(self.directories):
            print(f"goldi: damaged local cache dropped: {', '.join(map(str, damaged))}")
            self._create_directories()

    def drop_corrupt(self) -> bool:
        """Read every blob and empty the directories with a corrupt one; return whether there was any."""
        corrupt = repair.drop_corrupt(self.directories)
        if corrupt:
            print(f"goldi: corrupt local cache dropped, trying again: {', '.join(map(str, corrupt))}")
            self._create_directories()
        return bool(corrupt)

    def versions(self) -> list[tuple[int, int]]:
        """Return inode and modification time in ns of each index: they differ once another build replaced a cache."""
        stats = (_stat(path / "index.json") for path in self.directories)
        return [(stat.st_ino, stat.st_mtime_ns) for stat in stats if stat]

    def _create_directories(self) -> None:
        for directory in self.directories:
            cache_directories.ensure(self.roots, directory)


@dataclass
class Execution:
    """One run of bake for the `targets` that `request` names: with retries, then the exports of its caches.

    `env` holds the bake file's variables, `metadata` is the file that buildx writes, `dockerfile` the one to quote for
    a failed step. `log` holds the output of the last try, `export_seconds` the duration of the exports.
    """

    settings: Settings
    docker: Docker
    request: BuildRequest
    targets: tuple[str, ...]
    env: Mapping[str, str]
    secrets: Mapping[str, str]
    cache_plan: CachePlan
    metadata: Path
    dockerfile: Path
    log: RunningBuild = field(default_factory=RunningBuild)
    export_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Decide about progress, the command and the local caches."""
        self.mode = view.choose(self.request.progress)
        if not process.is_dry():
            # The format that we parse; a dry run prints the requested one.
            self.request = replace(self.request, progress="rawjson")
        self.command = bake_arguments.build_command(
            self.settings,
            self.docker,
            self.request,
            self.targets,
            self.metadata,
            self.env,
            self.secrets,
            self.cache_plan.options,
        )
        # The project's own targets have the caches that the bake file names, and no directory of the guide's.
        platforms = self.request.platforms
        paths = {
            target: bake_arguments.cache_directory(self.settings, target, platforms)
            for target in self.targets
            if target in TARGETS
        }
        self.caches = LocalCaches(self.settings.roots, paths)
        self._exports_local = self.cache_plan.uses_local_caches and bake_arguments.is_export_enabled(
            self.docker, self.request
        )
        self._restarts, self._delays = 0, list(registry_errors.DELAYS)

    def run(self) -> None:
        """Run bake, retry if a cache or a registry caused the failure, then export the caches.

        Raises CommandFailed with buildx's exit code, the GoldiError of `diagnose`, Interrupted.
        """
        if process.is_dry():
            self._print_commands()
            return
        self.caches.prepare()
        command, title = self.command, f"building {' '.join(self.targets)}"
        while True:
            before = self.caches.versions()
            self.log = RunningBuild()
            try:
                view.run_with_progress(
                    command, self.settings.project, self.mode, self.log, title=title, dockerfile=self.dockerfile
                )
                break
            except CommandFailed as error:
                if not (retry := self._next_command(before)):
                    raise diagnose.find_cause(self.log, self._dockerfile_text()) or error from None
                command = retry
        self._warn_failed_imports()
        began = time.monotonic()
        always = self.request.keep_cache
        if self._exports_local and (always or export_policy.should_export_local(self.log, self.caches.directories)):
            self._export_local()
        options = self.cache_plan.options
        if options.cache_to and (always or export_policy.should_export_remote(self.log, options.own_refs)):
            self._export_remote()
        self.export_seconds = time.monotonic() - began

    def _print_commands(self) -> None:
        """Print the commands of a dry run."""
        process.run_in_terminal(self.command)
        if self._exports_local:
            process.run_in_terminal(self._local_export(self.caches.by_target))
        if self.cache_plan.options.cache_to:
            process.run_in_terminal(self._remote_export())

    def _next_command(self, before: list[tuple[int, int]]) -> Command | None:
        """Return the command of the next try after a failure, or None where it would fail again.

        A corrupt or changed cache allows up to three tries: the same command, without external caches, without any
        cache. For a busy registry it waits and tries again. `before` are the versions of the caches before this try.
        """
        if self._restarts < _MAX_RESTARTS and self._handle_cache_failure(before):
            self._restarts += 1
            if self._restarts == 1:
                return self.command
            without_imports = bake_arguments.without_external_caches(self.command)
            if self._restarts < _MAX_RESTARTS:
                return without_imports
            # After a prune, engine 26 may have lost a layer that it still lists: until that is built again, every build
            # on top of that layer fails.
            print("goldi: building again without any cache")
            return bake_arguments.without_builder_cache(without_imports)
        registry_error = registry_errors.read(self.log.output)
        if not registry_error or not registry_error.passes or not self._delays:
            return None
        delay, self._restarts = self._delays.pop(0), 0
        print(f"goldi: {registry_error.problem}: trying again in {delay:g} s", flush=True)
        time.sleep(delay)
        return self.command

    def _handle_cache_failure(self, before: list[tuple[int, int]]) -> bool:
        """Return whether a cache caused the failure; if so, print it, and drop or stop using that cache.

        BuildKit has no fallback for a cached layer that is truncated, damaged or missing: it fails the build.
        """
        if self.caches.drop_corrupt():
            return True
        if any(map(_REMOTE_ERROR.search, self.log.output)) and any(map(_HAS_REMOTE_IMPORT, self.command.argv)):
            print("goldi: a remote cache made the build fail: building without it")
            self.command = bake_arguments.without_external_caches(self.command)
            return True
        changed = self.caches.versions() != before
        if changed or any(map(_PRUNED.match, self.log.output)):
            cache = "local" if changed else "builder's"
            print(f"goldi: the {cache} cache changed during the build, building again")
            return True
        return False

    def _warn_failed_imports(self) -> None:
        """Warn of remote caches that exist and could not be read; one that does not exist yet is normal."""
        for name, error in self.log.imports.items():
            if (problem := registry_errors.explain_cache_error(name, error)) and "/" in name:
                print(f"goldi: built without the cache {name}, {problem}", file=sys.stderr)

    def _export_local(self) -> None:
        """Export the local caches. A failure is only a warning: the image is built, and the previous cache is kept."""
        try:
            try:
                self._replace_local()
            except CommandFailed:
                if not self.caches.drop_corrupt():
                    raise
                self._replace_local()
        except (GoldiError, OSError) as error:
            print(f"goldi: the local cache was not exported: {error}", file=sys.stderr)

    def _replace_local(self) -> None:
        """Export to staged directories and put those in place of the caches. Raises CommandFailed, OSError."""
        with staged_export.create_exports(self.caches.directories) as staged:
            directories = {name: export.place for name, export in zip(self.caches.by_target, staged, strict=True)}
            self._export(self._local_export(directories))
            is_complete = [export.put() for export in staged]
        if not all(is_complete):
            raise CommandFailed("buildx wrote only a part of it", 1, "The previous cache is kept")

    def _export_remote(self) -> None:
        """Export to the remote cache. A failure is only a warning: the image is built."""
        try:
            self._export(self._remote_export(), SILENCE)
        except CommandFailed as error:
            print(f"goldi: the cache was not exported: {error}", file=sys.stderr)

    def _local_export(self, directories: Mapping[str, Path]) -> Command:
        return bake_arguments.local_export_command(
            self.settings, self.docker, self.request, directories, self.env, self.secrets
        )

    def _remote_export(self) -> Command:
        options = self.cache_plan.options
        return bake_arguments.remote_export_command(
            self.settings, self.docker, self.request, options, self.env, self.secrets
        )

    def _export(self, command: Command, timeout: float | None = None) -> None:
        mode = self.mode if self.mode == "tty" else "quiet"
        title, project = "exporting the cache", self.settings.project
        view.run_with_progress(command, project, mode, RunningBuild(), title=title, dockerfile=Path(), patience=timeout)

    def _dockerfile_text(self) -> str:
        return self.dockerfile.read_text("utf-8", "replace") if self.dockerfile.is_file() else ""


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
