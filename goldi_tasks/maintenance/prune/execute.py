"""Prune the caches: what a choice says is done, while nobody else is at work.

A directory is renamed first, which takes a moment; only then, with the lock given back, is it emptied. So no build
waits for a disk. What a running container has mounted stays.
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
from goldi_tasks.cache.safe_delete import DIRECTORY, Tally, walk
from goldi_tasks.errors import CacheRefused, CommandFailed, GoldiError
from goldi_tasks.maintenance import clear_caches
from goldi_tasks.maintenance.prune import in_use, policy, state_files, tool_commands
from goldi_tasks.maintenance.prune.policy import TRASH, Asked, Row
from goldi_tasks.maintenance.usage import builder_store, sizes
from goldi_tasks.maintenance.usage.sizes import Size
from goldi_tasks.paths import BY_NAME, Roots
from goldi_tasks.units import format_age, format_size

Tell = Callable[[str], None]
_HELD = "a running container has it mounted"
_USED = "it was used in the meantime"
_UNKNOWN = "the engine does not let this user list the running containers"


@dataclass
class Prune:
    """A prune: the choice among what was `found`, and what came of it.

    `images` are those that have each tool, and those with Python, for what containers left. `gone` are the directories
    that were renamed and are to be emptied, each with its row.
    """

    roots: Roots
    asked: Asked
    images: Callable[[str], Sequence[str]]
    found: list[Size]
    rows: list[Row]
    gone: list[tuple[Row, clear_caches.Row]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def act(self, tell: Callable[[Row], None], wait: Tell | None) -> bool:
        """Do it, and `tell` of each row that is done. `wait` is told whom we wait for; without it nobody is waited for.

        Returns False if somebody is at work. Raises Interrupted.
        """
        with usage_lock.alone(wait) as free:
            if not free:
                return False
            for row in self.rows:
                if row.how in ("tool", "files", "builder"):
                    self._tool(row)
                    tell(row)
            self._take()
        for row in self.rows:
            if row.how in ("remove", "state"):
                self._empty(row)
                tell(row)
        return True

    def _take(self) -> None:
        """Put every directory that goes out of the way, as it is now: what was measured is some time ago."""
        doomed = [row for row in self.rows if row.how in ("remove", "state")]
        if not doomed:
            return
        try:
            sources = in_use.mounted()
        except CommandFailed:
            sources = None
        for row in doomed:
            paths = state_files.paths(row.key) if row.how == "state" else [self._path(row)]
            if any(in_use.holds(sources, path) for path in paths):
                row.kept = _UNKNOWN if sources is None else _HELD
            elif row.how == "state":
                state_files.remove(row)
            elif row.why.startswith(policy.OVER_LIMIT) and self._enough(row):
                row.kept = "the limit was reached without it"
            else:
                self._rename(row)

    def _path(self, row: Row) -> Path:
        return self.roots.folder(BY_NAME[row.what]) / row.key

    def _enough(self, row: Row) -> bool:
        """Whether the caches are within the limit without this row."""
        going = sum(one.bytes for one, _ in self.gone)
        freed = sum(one.freed for one in self.rows if one.how in ("tool", "files"))
        total = sum(size.bytes for size in self.found if self.asked.has(size))
        return total - going - freed <= self.asked.limits.size

    def _rename(self, row: Row) -> None:
        cache = BY_NAME[row.what]
        folder = self.roots.folder(cache)
        name = row.key if row.key.startswith(TRASH) else f"{TRASH}{uuid.uuid4().hex[:12]}"
        try:
            with cache_directories.opened(folder) as top:
                if top is None:
                    row.kept = "it does not exist any more"
                    return
                cache_directories.check_ours(folder, top)
                if name != row.key:
                    seen = os.stat(row.key, dir_fd=top, follow_symlinks=False)
                    if time.time() - seen.st_mtime <= last_use.FRESH:
                        row.kept = _USED
                        return
                    os.rename(row.key, name, src_dir_fd=top, dst_dir_fd=top)
            self.gone.append((row, clear_caches.Row(cache, folder, name)))
        except FileNotFoundError:
            row.kept = "it does not exist any more"
        except CacheRefused as error:
            row.failed = error.problem
        except OSError as error:
            row.failed = f"{self._path(row)}: {error.strerror}"

    def _empty(self, row: Row) -> None:
        """Remove what was put out of the way; what another user left in it, by a container."""
        for found, it in self.gone:
            if found is not row:
                continue
            try:
                clear_caches.clear(it, self.images(""))
            finally:
                row.freed = it.tally.freed
            with suppress(OSError), cache_directories.opened(it.folder) as top:
                if top is not None:
                    os.rmdir(it.only, dir_fd=top)
            if it.tally.left:
                row.failed = f"{it.path / it.tally.left[0].path}: {it.tally.left[0].reason}"

    def _tool(self, row: Row) -> None:
        try:
            if row.how == "builder":
                row.freed = sum(builder_store.prune(**one) for one in _store_limits(self.asked))
            elif row.how == "files":
                self._files(row)
            else:
                self._command(row)
        except GoldiError as error:
            row.failed = error.problem
        except OSError as error:
            row.failed = f"{error.filename or row.what}: {error.strerror}"

    def _command(self, row: Row) -> None:
        cache = BY_NAME[row.what]
        folder = self.roots.folder(cache)
        where = tool_commands.prune(cache, folder, self.images(row.what))
        if not where:
            row.kept = f"{tool_commands.COMMANDS[row.what][0]} is not installed, and no image has it"
            return
        row.freed = max(0, row.bytes - sizes.one(cache, folder).bytes)

    def _files(self, row: Row) -> None:
        """Remove files that were neither written nor read for long."""
        folder, tally = self.roots.folder(BY_NAME[row.what]), Tally()
        with cache_directories.opened(folder) as top:
            if top is None:
                return
            cache_directories.check_ours(folder, top)
            inside = os.open(".", DIRECTORY, dir_fd=top)
            try:
                before = time.time() - self.asked.limits.age
                walk(inside, str(folder), tally, act=True, owner=ownership.owner()[0], before=before)
            finally:
                os.close(inside)
                row.freed = tally.freed
        if tally.left:
            row.failed = f"{folder / tally.left[0].path}: {tally.left[0].reason}"


def plan(roots: Roots, asked: Asked, images: Callable[[str], Sequence[str]], tell: Callable[[int], None]) -> Prune:
    """What is to be done to the caches and the notes; `tell` hears how many files were counted so far."""
    found, now = sizes.measure(roots, tell), time.time()
    rows = policy.choose(found, asked, now, last_use.gone)
    if not asked.names:
        rows += state_files.choose(asked, now, last_use.gone)
    return Prune(roots, asked, images, found, rows)


def builder(asked: Asked) -> Row | None:
    """The row of the builder's store, None without a limit. Raises NoDocker, NoEngine, NoPermission, CommandFailed."""
    limits = asked.limits
    whys = [f"not used for {format_age(limits.age)}"] if limits.age else []
    whys += [f"more than {format_size(limits.size)}"] if limits.size else []
    if not whys:
        return None
    found, now = builder_store.look(), time.time()
    return Row("builder", "builder", " and ".join(whys), bytes=found.prunable(now, limits.age, limits.size))


def _store_limits(asked: Asked) -> list[dict[str, int]]:
    """One prune for each limit."""
    limits = asked.limits
    return ([{"age": round(limits.age)}] if limits.age else []) + ([{"keep": limits.size}] if limits.size else [])


def freed(rows: Iterable[Row]) -> int:
    """Bytes that all of them freed."""
    return sum(row.freed for row in rows)


def failure(rows: Iterable[Row]) -> CacheRefused | None:
    """What went wrong, None if nothing did."""
    failed = [row for row in rows if row.failed]
    if not failed:
        return None
    more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
    return CacheRefused(f"{failed[0].title} could not be pruned: {failed[0].failed}{more}", _REMEDY)


_REMEDY = "See the lines above; `inv cache.clear --name NAME` empties a cache, as root in a container if needed"
