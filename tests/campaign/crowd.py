"""Eight builds and checks at once, of which one is hit."""

import random
import time

from tests.campaign import faults, invariants
from tests.campaign.scene import Running, Said, Scene

_LINES: tuple[tuple[str, ...], ...] = (
    ("build.prod",),
    ("build.prod", "--keep-cache"),
    ("ci.session", "look"),
    ("build.tools",),
    ("ci.session", "look"),
    ("build.prod",),
    ("build.prod", "--keep-cache"),
    ("ci.session", "look"),
)


def run(scene: Scene, fault: str, moment: float, dice: random.Random) -> tuple[Said, list[str]]:
    """What came of the one that was hit, and what is wrong with the others."""
    running: list[Running] = []
    for line in _LINES:
        running.append(scene.start(*line))
        time.sleep(dice.random() * 0.1)
    victim = dice.randrange(len(running))
    said = faults.hit(scene, running[victim], fault, moment, dice)
    problems: list[str] = []
    for number, (one, line) in enumerate(zip(running, _LINES, strict=True)):
        if number != victim:
            problems += invariants.told(f"`{' '.join(line)}` beside it", one.wait())
    return said, problems
