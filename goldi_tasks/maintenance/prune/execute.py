"""Execute a prune while no other task uses the caches.

Directories are first renamed, which is quick, and emptied only after the lock is released. So no build waits for a
disk. Directories that a running container has mounted stay.
"""

import os
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from goldi_tasks import ownership
from goldi_tasks.cache import cache_directories, last_use, usage_lock
from goldi_tasks.cache.safe_delete import DIRECTORY, Tally, empty_directory
from goldi_tasks.errors import CacheRefused, CommandFailed, GoldiError
from goldi_tasks.maintenance import clear_caches
from goldi_tasks.maintenance.prune import in_use, policy, state_files, tool_commands
from goldi_tasks.maintenance.prune.policy import TRASH, PruneRequest, PruneRow
from goldi_tasks.maintenance.usage import builder_store, sizes
from goldi_tasks.maintenance.usage.sizes import CacheUsage
from goldi_tasks.paths import BY_NAME, Roots
from goldi_tasks.units import format_age, format_size

Tell = Callable[[str], None]
_MOUNTED = "a running container has it mounted"
_USED = "it was used in the meantime"
_UNKNOWN = "the engine does not let this user list the running containers"


@dataclass
class Prune:
    """A prune: the measured caches (`sizes`), the rows chosen among them, and their outcome.

    `images` returns candidate images with the tool that fills the cache of that name; for "", images with Python, which
    remove files of other users. `renamed` are the directories to delete, with their rows.
    """

    roots: Roots
    request: PruneRequest
    images: Callable[[str], Sequence[str]]
    sizes: list[CacheUsage]
    rows: list[PruneRow]
    renamed: list[tuple[PruneRow, clear_caches.CacheClearing]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def act(self, report_row: Callable[[PruneRow], None], report_wait: Tell | None) -> bool:
        """Execute the prune; call `report_row` with each finished row, and `report_wait` with the tasks we wait for.

        Without `report_wait` it does not wait, and returns False if another task uses the caches. Raises Interrupted.
        """
        with usage_lock.hold_exclusive_lock(report_wait) as is_locked:
            if not is_locked:
                return False
            for row in self.rows:
                if row.how in ("tool", "files", "builder"):
                    self._run_tool(row)
                    report_row(row)
            self._move_away()
        for row in self.rows:
            if row.how in ("remove", "state"):
                self._empty(row)
                report_row(row)
        return True

    def _move_away(self) -> None:
        """Rename the directories to remove, if nothing uses them by now: the measurement is some time ago."""
        to_remove = [row for row in self.rows if row.how in ("remove", "state")]
        if not to_remove:
            return
        try:
            sources = in_use.list_mounted_directories()
        except CommandFailed:
            sources = None
        for row in to_remove:
            paths = state_files.paths(row.key) if row.how == "state" else [self._path(row)]
            if any(in_use.is_mounted(sources, path) for path in paths):
                row.kept = _UNKNOWN if sources is None else _MOUNTED
            elif row.how == "state":
                state_files.remove(row)
            elif row.why.startswith(policy.OVER_LIMIT) and self._is_within_limit():
                row.kept = "the limit was reached without it"
            else:
                self._rename(row)

    def _path(self, row: PruneRow) -> Path:
        return self.roots.folder(BY_NAME[row.what]) / row.key

    def _is_within_limit(self) -> bool:
        """Return whether the caches are within the size limit without the renamed directories."""
        renamed_bytes = sum(row.bytes for row, _ in self.renamed)
        freed = sum(row.freed for row in self.rows if row.how in ("tool", "files"))
        total = sum(size.bytes for size in self.sizes if self.request.has(size))
        return total - renamed_bytes - freed <= self.request.limits.size

    def _rename(self, row: PruneRow) -> None:
        cache = BY_NAME[row.what]
        folder = self.roots.folder(cache)
        name = row.key if row.key.startswith(TRASH) else f"{TRASH}{uuid.uuid4().hex[:12]}"
        try:
            with cache_directories.open_directory(folder) as top:
                if top is None:
                    row.kept = "it does not exist any more"
                    return
                cache_directories.check_owner_and_tag(folder, top)
                if name != row.key:
                    status = os.stat(row.key, dir_fd=top, follow_symlinks=False)
                    if time.time() - status.st_mtime <= last_use.FRESH:
                        row.kept = _USED
                        return
                    os.rename(row.key, name, src_dir_fd=top, dst_dir_fd=top)
            self.renamed.append((row, clear_caches.CacheClearing(cache, folder, name)))
        except FileNotFoundError:
            row.kept = "it does not exist any more"
        except CacheRefused as error:
            row.failed = error.problem
        except OSError as error:
            row.failed = f"{self._path(row)}: {error.strerror}"

    def _empty(self, row: PruneRow) -> None:
        """Delete the renamed directory of `row`; a container deletes files of other users."""
        for owner, clearing in self.renamed:
            if owner is not row:
                continue
            try:
                clear_caches.clear(clearing, self.images(""))
            finally:
                row.freed = clearing.tally.freed
            with suppress(OSError), cache_directories.open_directory(clearing.folder) as top:
                if top is not None:
                    os.rmdir(clearing.only, dir_fd=top)
            if clearing.tally.left:
                row.failed = _describe_failure(clearing.path, clearing.tally)

    def _run_tool(self, row: PruneRow) -> None:
        try:
            if row.how == "builder":
                row.freed = sum(builder_store.prune(**limit) for limit in _builder_limits(self.request))
            elif row.how == "files":
                self._remove_old_files(row)
            else:
                self._run_command(row)
        except GoldiError as error:
            row.failed = error.problem
        except OSError as error:
            row.failed = f"{error.filename or row.what}: {error.strerror}"

    def _run_command(self, row: PruneRow) -> None:
        cache = BY_NAME[row.what]
        folder = self.roots.folder(cache)
        place = tool_commands.prune(cache, folder, self.images(row.what))
        if not place:
            row.kept = f"{tool_commands.COMMANDS[row.what][0]} is not installed, and no image has it"
            return
        row.freed = max(0, row.bytes - sizes.measure_cache(cache, folder).bytes)

    def _remove_old_files(self, row: PruneRow) -> None:
        """Remove files that were neither written nor read within the age limit."""
        folder, tally = self.roots.folder(BY_NAME[row.what]), Tally()
        with cache_directories.open_directory(folder) as top:
            if top is None:
                return
            cache_directories.check_owner_and_tag(folder, top)
            directory = os.open(".", DIRECTORY, dir_fd=top)
            try:
                before = time.time() - self.request.limits.age
                empty_directory(directory, str(folder), tally, act=True, owner=ownership.owner()[0], before=before)
            finally:
                os.close(directory)
                row.freed = tally.freed
        if tally.left:
            row.failed = _describe_failure(folder, tally)


def _describe_failure(folder: Path, tally: Tally) -> str:
    return f"{folder / tally.left[0].path}: {tally.left[0].reason}"


def plan(
    roots: Roots, request: PruneRequest, images: Callable[[str], Sequence[str]], report_count: Callable[[int], None]
) -> Prune:
    """Plan the prune of caches and state files; `report_count` is called with the number of files counted so far."""
    measured, now = sizes.measure(roots, report_count), time.time()
    rows = policy.choose_rows(measured, request, now, last_use.is_project_deleted)
    if not request.names:
        rows += state_files.choose(request, now, last_use.is_project_deleted)
    return Prune(roots, request, images, measured, rows)


def builder(request: PruneRequest) -> PruneRow | None:
    """Return the build cache's row, None without a limit. Raises NoDocker, NoEngine, NoPermission, CommandFailed."""
    limits = request.limits
    reasons = [f"not used for {format_age(limits.age)}"] if limits.age else []
    reasons += [f"more than {format_size(limits.size)}"] if limits.size else []
    if not reasons:
        return None
    store, now = builder_store.read_build_cache(), time.time()
    return PruneRow("builder", "builder", " and ".join(reasons), bytes=store.prunable(now, limits.age, limits.size))


def _builder_limits(request: PruneRequest) -> list[dict[str, int]]:
    """Return the arguments of one prune for each limit."""
    limits = request.limits
    return ([{"age": round(limits.age)}] if limits.age else []) + ([{"keep": limits.size}] if limits.size else [])


def freed(rows: Iterable[PruneRow]) -> int:
    """Return the bytes that all rows freed."""
    return sum(row.freed for row in rows)


def failure(rows: Iterable[PruneRow]) -> CacheRefused | None:
    """Return the error for rows that failed, None if none did."""
    failed = [row for row in rows if row.failed]
    if not failed:
        return None
    more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
    return CacheRefused(f"{failed[0].title} could not be pruned: {failed[0].failed}{more}", _REMEDY)


_REMEDY = "See the lines above; `inv cache.clear --name NAME` empties a cache, as root in a container if needed"
