"""Measure builds of a project on this machine, and compare them with the guide's figures and with plain docker.

`project_copy` makes the copy that is built, `build_rounds` runs the builds, `cache_hits` counts the items taken from
caches, `build_table` formats the report, `leftovers` removes images and cache records from the engine.
"""

from collections.abc import Callable

from goldi_tasks.bake.build_benchmark import build_rounds, build_table, leftovers, project_copy
from goldi_tasks.benchmark.times import Times
from goldi_tasks.client import system_info
from goldi_tasks.settings import Settings


def measure(settings: Settings, number: int, report: Callable[[str], None]) -> build_table.BuildTimes:
    """Measure `number` rounds of builds in a copy of the project; `report` is called with the name of each step.

    Files, images and cache records of the builds are removed afterwards, also after Ctrl-C. Raises CommandFailed if a
    build fails, and what builds raise.
    """
    docker = system_info.docker()
    with project_copy.copy(settings) as scratch, leftovers.removed(build_rounds.IMAGE, report):
        times = Times(report)
        rounds = build_rounds.BuildRounds(scratch, docker, times)
        for index in range(number):
            times.heading = f"round {index + 1} of {number}: "
            rounds.run(index)
        times.heading = ""
        rounds.rebuild()
        report("goldi --list")
        return build_table.BuildTimes(
            number, times.medians(), dict(rounds.hits), scratch.dependency, build_rounds.listing(scratch.work / "empty")
        )
