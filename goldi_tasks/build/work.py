"""Running what was planned: bake, once more if a cache was the reason of a failure, and the local caches' export."""

import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from goldi_tasks import run
from goldi_tasks.build import keeping, reason
from goldi_tasks.build.watch import view
from goldi_tasks.build.watch.steps import Build
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed
from goldi_tasks.settings import Settings

# What buildx says when another process prunes the builder's cache while a build ends: BuildKit looks its steps up
# once more, for its own history, after all of them and the export are done (solver.ErrNotFound). And what it says when
# it has lost a step that another build, which was ended just then, had in common with this one (solver/edge.go).
_PRUNED = re.compile(
    r"^ERROR: (target \S+: )?failed to solve: "
    r"(not found$|.*failed to get state for index \d+ on |inconsistent graph state)"
)


@dataclass(frozen=True)
class Caches:
    """The `directories` of local caches; what makes them, and what drops those that are corrupt and says which."""

    directories: Sequence[Path]
    prepare: Callable[[Sequence[Path]], None]
    heal: Callable[[Sequence[Path]], list[Path]]

    def mend(self) -> bool:
        """Whether one was corrupt; it is empty then."""
        if dropped := self.heal(self.directories):
            print(f"goldi: corrupt local cache dropped, trying again: {', '.join(map(str, dropped))}")
            self.prepare(self.directories)
        return bool(dropped)


@dataclass
class Work:
    """A build that is to be run and watched in a `mode`; `keep` exports its local caches, if they are to be kept.

    `heard` is what its last run said, `kept` the seconds that the export took.
    """

    settings: Settings
    command: Command
    keep: Command | None
    caches: Caches
    mode: str
    title: str
    heard: Build = field(default_factory=Build)
    kept: float = 0.0

    def run(self) -> None:
        """All of it. Raises CommandFailed with buildx's exit code or what is wrong by our own lights, Interrupted."""
        if run.is_dry():
            for command in filter(None, (self.command, self.keep)):
                run.live(command)
            return
        self.caches.prepare(self.caches.directories)
        try:
            self._bake()
        except CommandFailed as error:
            raise reason.found(self.heard, self._dockerfile()) or error from None
        if self.keep and keeping.worth(self.heard, self.caches.directories):
            began = time.monotonic()
            self._export(self.keep)
            self.kept = time.monotonic() - began

    def _bake(self) -> None:
        """A corrupt local cache, or one that is pruned meanwhile, costs a rebuild and not the build."""
        try:
            self._follow()
        except CommandFailed:
            # BuildKit has no fallback for a cached layer that is cut, flipped or gone: it fails the build.
            if not self.caches.mend():
                if not any(map(_PRUNED.match, self.heard.said)):
                    raise
                print("goldi: the builder's cache changed during the build, building again")
            self._follow()

    def _export(self, command: Command) -> None:
        """That caches cannot be kept is told, and no failure."""
        try:
            try:
                self._follow_export(command)
            except CommandFailed:
                if not self.caches.mend():
                    raise
                self._follow_export(command)
        except CommandFailed as error:
            print(f"goldi: the local cache is not kept: {error}", file=sys.stderr)

    def _follow(self) -> None:
        self.heard = Build()
        file, project = self.settings.bake_file.parent / "Dockerfile", self.settings.project
        view.follow(self.command, project, self.mode, self.heard, title=self.title, dockerfile=file)

    def _follow_export(self, command: Command) -> None:
        mode = self.mode if self.mode == "tty" else "quiet"
        nothing = self.settings.bake_file.parent
        view.follow(command, self.settings.project, mode, Build(), title="keeping the cache", dockerfile=nothing)

    def _dockerfile(self) -> str:
        file = self.settings.bake_file.parent / "Dockerfile"
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
