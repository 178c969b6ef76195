"""How long builds of a project take here, beside the guide's figures and beside plain docker.

`scratch` is the copy of the project that is built, `rounds` runs and `times` times, `hits` counts what caches gave,
`table` says it, `traces` removes what is left with the engine.
"""

from collections.abc import Callable

from goldi_tasks.bake.build_benchmark import build_rounds, build_table, leftovers, project_copy
from goldi_tasks.benchmark.times import Times
from goldi_tasks.client import system_info
from goldi_tasks.settings import Settings


def measure(settings: Settings, number: int, tell: Callable[[str], None]) -> build_table.Report:
    """`number` rounds of builds of the project, in a copy of it; `tell` hears what is done.

    What they leave, on disk and with the engine, is removed, also after Ctrl-C. Raises as builds do, and
    CommandFailed where one fails.
    """
    docker = system_info.docker()
    with project_copy.copy(settings) as made, leftovers.removed(build_rounds.IMAGE, tell):
        times = Times(tell)
        found = build_rounds.Rounds(made, docker, times)
        for current in range(number):
            times.heading = f"round {current + 1} of {number}: "
            found.run(current)
        times.heading = ""
        found.rebuild()
        tell("goldi --list")
        return build_table.Report(
            number, times.medians(), dict(found.hits), made.added, build_rounds.listing(made.work / "empty")
        )
