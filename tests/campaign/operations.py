"""What is run and hit. A line here, and one in schedule.FAULTS, adds an operation."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.campaign.scene import Scene


def _nothing(scene: Scene, dice: random.Random) -> None:
    """As it is."""


def _edit(scene: Scene, dice: random.Random) -> None:
    scene.edit(dice)


def _edit_slow(scene: Scene, dice: random.Random) -> None:
    scene.edit(dice, slow=0.7)


def _forget(scene: Scene, dice: random.Random) -> None:
    """Only the local cache knows how it was."""
    scene.engine.forget(scene.image)


def _archive_gone(scene: Scene, dice: random.Random) -> None:
    scene.archive.unlink(missing_ok=True)


@dataclass(frozen=True)
class Operation:
    """A line of the command line: its `arguments`, and what is done before it.

    `ends` is whether moments are those of its end only, after the image is built.
    """

    arguments: tuple[str, ...]
    before: Callable[[Scene, random.Random], None] = _nothing
    ends: bool = False

    @property
    def task(self) -> str:
        """The task that the command line must have."""
        return self.arguments[0]

    def words(self, scene: Scene) -> tuple[str, ...]:
        """The arguments in `scene`."""
        return tuple(str(scene.archive) if word == "ARCHIVE" else word for word in self.arguments)


BUILD, KEEP = ("build.prod",), ("build.prod", "--keep-cache")
OPERATIONS = {
    "build": Operation(BUILD, _edit_slow),
    "export": Operation(KEEP, _edit, ends=True),
    "cold": Operation(BUILD, _forget),
    "crowd": Operation(BUILD, _edit_slow),
    "verify": Operation(("cache.verify",)),
    "clear": Operation(("cache.clear", "--all")),
    "status": Operation(("cache.status",)),
    "prune": Operation(("cache.prune", "--size", "1MB")),
    "save": Operation(("cache.save", "ARCHIVE"), _archive_gone),
    "restore": Operation(("cache.restore", "ARCHIVE")),
}
