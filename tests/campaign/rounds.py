"""Playing rounds: how things are, the operation and its fault, what must be true afterwards."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.campaign import crowd, faults, invariants, schedule
from tests.campaign.operations import BUILD, KEEP, OPERATIONS
from tests.campaign.report import Result
from tests.campaign.scene import Said, Scene, copy
from tests.campaign.schedule import Round

# Whatever happens to them, the local cache is the old one or the new one.
_LEAVE_WHOLE = ("export", "build", "cold", "crowd", "save", "restore", "status")


@dataclass(frozen=True)
class Campaign:
    """A scene that is ready; by operation the `windows`, in seconds, that moments are in; `usual` paths there."""

    scene: Scene
    seed: int
    operations: list[str]
    windows: dict[str, tuple[float, float]]
    usual: set[str]
    verify: bool
    most: int = 1

    @classmethod
    def begin(cls, scene: Scene, seed: int, only: tuple[str, ...], most: int = 1) -> "Campaign":
        """Start the engine, build what rounds begin with, measure. Raises RuntimeError if that does not work."""
        scene.engine.start()
        scene.engine.load()
        tasks = scene.tasks()
        for line in (
            ("cache.setup",),
            ("build.prod",),
            ("build.tools",),
            ("ci.session", "look"),
            ("ci.tools", "--stop"),
        ):
            _sure(scene.goldi(*line, CI="true"), line)
        if "cache.save" in tasks:
            _sure(scene.goldi("cache.save", str(scene.archive)), ("cache.save",))
        scene.take()
        operations = schedule.available(only, {name: one.task for name, one in OPERATIONS.items()}, tasks)
        begun = cls(scene, seed, operations, {}, set(), "cache.verify" in tasks, most)
        for number, name in enumerate(operations):
            begun.windows[name] = begun._measure(Round(-1 - number, name, "none", (0.0,), f"{seed}/{name}"))
        begun._tidy()
        begun.usual.update(invariants.shape(scene))
        return begun

    def play(self, number: int, keep: Path) -> Result:
        """One round; if it failed, `keep` holds what there is to look at."""
        plan = schedule.one(self.seed, number, self.operations, self.most)
        result, began = Result(number, plan.operation, plan.fault, []), time.monotonic()
        try:
            for problem in self._steps(plan, result):
                if not result.problems:
                    self._keep(keep)
                result.problems.append(problem)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            result.problems.append(f"the round itself ended: {error!r}")
            self._keep(keep)
        result.seconds = round(time.monotonic() - began, 1)
        return result

    def _steps(self, plan: Round, result: Result) -> Iterator[str]:
        scene, dice = self.scene, plan.random
        self._reset()
        for share in plan.shares:
            start, end = self.windows[plan.operation]
            moment = start + share * (end - start)
            result.moments.append(round(moment * 1000))
            OPERATIONS[plan.operation].before(scene, dice)
            with faults.around(scene, plan.operation, plan.fault, dice) as done:
                result.done += done
                said, others = self._run(plan, moment)
            result.hits, result.code = result.hits + said.hit, said.code
            if not said.hit:
                # The machine has less to do than when it was measured.
                self.windows[plan.operation] = self._window(plan.operation, said)
            yield from others
            yield from invariants.told(f"{plan.operation} under {plan.fault}", said, _codes(plan, said))
            scene.engine.start()
        if plan.operation in _LEAVE_WHOLE and plan.fault not in schedule.DAMAGE:
            # Right now, before anybody could have mended it.
            yield from invariants.local(scene.local)
        yield from self._again(plan)
        if plan.operation == "crowd":
            yield from invariants.told("ci.tools --stop", scene.goldi("ci.tools", "--stop"))
        yield from invariants.recovered(scene, self.usual, self.verify)

    def _again(self, plan: Round) -> Iterator[str]:
        """What is no build and was hit works the next time, and then tidies up."""
        operation = OPERATIONS[plan.operation]
        if operation.task == BUILD[0]:
            return
        if plan.operation == "restore":
            self.scene.put_back(self.scene.archive.parent)
        yield from invariants.told(f"the next {plan.operation}", self.scene.goldi(*operation.words(self.scene)))
        if plan.operation == "save":
            words = OPERATIONS["restore"].words(self.scene)
            yield from invariants.told("restoring what was saved", self.scene.goldi(*words))

    def _run(self, plan: Round, moment: float) -> tuple[Said, list[str]]:
        operation, dice = OPERATIONS[plan.operation], plan.random
        if plan.operation == "crowd":
            return crowd.run(self.scene, plan.fault, moment, dice)
        running = self.scene.start(*operation.words(self.scene))
        return faults.hit(self.scene, running, plan.fault, moment, dice), []

    def _measure(self, plan: Round) -> tuple[float, float]:
        """The window of an operation: from its begin, or from when the image is built, to its end."""
        self._reset()
        OPERATIONS[plan.operation].before(self.scene, plan.random)
        said, others = self._run(plan, 0.0)
        _sure(said, OPERATIONS[plan.operation].arguments)
        if others:
            raise RuntimeError("\n".join(others))
        return self._window(plan.operation, said)

    def _window(self, operation: str, said: Said) -> tuple[float, float]:
        return (said.seconds * 0.4 if OPERATIONS[operation].ends else 0.0), said.seconds

    def _reset(self) -> None:
        """Files as they were at first, and the builder with what belongs to them."""
        self.scene.back()
        _sure(self.scene.goldi(*KEEP), KEEP)

    def _tidy(self) -> None:
        self._reset()
        _sure(self.scene.goldi("ci.tools", "--stop"), ("ci.tools",))

    def _keep(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        for tree in self.scene.trees():
            copy(tree, folder / tree.name)


def _codes(plan: Round, said: Said) -> tuple[int, ...]:
    """The exit codes that the operation may end with under the fault; () for any."""
    if plan.fault == "interrupt":
        # It may have ended by itself just then; and Python on its way in or out ends by the signal, a shell's 130.
        starting = "KeyboardInterrupt" in said.text and not invariants.OURS.search(said.text)
        return (0, 130, -2, 1) if starting else (0, 130, -2)
    builds = OPERATIONS[plan.operation].task == "build.prod"
    if plan.fault in ("full-cache", "full-state", *schedule.DAMAGE) and builds:
        # Caches and records are no reason to fail.
        return (0,)
    return () if plan.fault != "none" else (0,)


def _sure(said: Said, line: tuple[str, ...]) -> None:
    if said.code:
        raise RuntimeError(f"{' '.join(line)} ended with {said.code}:\n{said.text}")
