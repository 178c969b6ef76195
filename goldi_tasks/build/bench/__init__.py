"""How long builds of a project take here, beside the guide's figures and beside plain docker.

`scratch` is the copy of the project that is built, `rounds` runs and `times` times, `hits` counts what caches gave,
`table` says it, `traces` removes what is left with the engine.
"""

from collections.abc import Callable

from goldi_tasks import probe
from goldi_tasks.bench.times import Times
from goldi_tasks.build.bench import rounds, scratch, table, traces
from goldi_tasks.settings import Settings


def measure(settings: Settings, number: int, tell: Callable[[str], None]) -> table.Report:
    """`number` rounds of builds of the project, in a copy of it; `tell` hears what is done.

    What they leave, on disk and with the engine, is removed, also after Ctrl-C. Raises as builds do, and
    CommandFailed where one fails.
    """
    docker = probe.docker()
    with scratch.copy(settings) as made, traces.removed(rounds.IMAGE, tell):
        times = Times(tell)
        found = rounds.Rounds(made, docker, times)
        for current in range(number):
            times.heading = f"round {current + 1} of {number}: "
            found.run(current)
        times.heading = ""
        found.rebuild()
        tell("goldi --list")
        return table.Report(number, times.medians(), dict(found.hits), made.added, rounds.listing(made.work / "empty"))
