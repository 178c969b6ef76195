"""What happens in which round: the seed and the round's number decide, not the rounds before."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KILLS = ("kill-buildx", "kill-goldi", "kill-all", "kill-engine")
STOPS = (*KILLS, "interrupt")
FULL = ("full-cache", "full-tmp", "full-state", "full-engine")
DAMAGE = ("flip", "cut", "delete")

# Which faults an operation meets. One whose task the command line does not have is left out. The first rounds have one
# operation each, in this order, so that a short campaign meets the most.
FAULTS: dict[str, Sequence[str]] = {
    "export": (*STOPS, *FULL),
    "restore": (*STOPS, *DAMAGE, *FULL),
    "cold": (*DAMAGE, *STOPS, "full-engine"),
    "save": (*STOPS, *FULL),
    "build": (*STOPS, *FULL),
    "prune": (*STOPS, "full-tmp"),
    "crowd": ("kill-goldi", "kill-buildx", "interrupt", "none"),
    "verify": ("kill-goldi", "interrupt", *DAMAGE),
    "clear": ("kill-goldi", "interrupt"),
    "status": ("kill-goldi", "interrupt"),
}
# How often an operation comes, beside the others.
WEIGHTS = {"export": 5, "build": 3, "cold": 4, "crowd": 1, "verify": 1, "prune": 2, "save": 3, "restore": 3}


@dataclass(frozen=True)
class Round:
    """One round: `shares` are the moments as parts of the operation's duration, `detail` the seed of all else.

    After each but the last it is done again, on what the one before has left.
    """

    number: int
    operation: str
    fault: str
    shares: tuple[float, ...]
    detail: str

    @property
    def random(self) -> random.Random:
        """Numbers for this round, from their begin."""
        return random.Random(self.detail)  # noqa: S311 - to be had again


def one(seed: int, number: int, operations: Sequence[str], most: int = 1) -> Round:
    """Round `number` among `operations`, with up to `most` kills; names that are not known are a KeyError."""
    detail = f"{seed}/{number}"
    dice = random.Random(detail)  # noqa: S311 - to be had again
    operation = dice.choices(operations, [WEIGHTS.get(name, 1) for name in operations])[0]
    if number < len(operations):
        operation = operations[number]
    fault = dice.choice(FAULTS[operation])
    shares = [dice.random()]
    if fault in KILLS and operation != "crowd":
        shares += [dice.random() for _ in range(dice.randrange(most))]
    return Round(number, operation, fault, tuple(shares), detail)


def available(only: Sequence[str], tasks: Mapping[str, str], known: Sequence[str]) -> list[str]:
    """The operations that can be run: those of `only`, or all, whose task is among `known`."""
    names = only or list(FAULTS)
    return [name for name in names if tasks[name] in known]
