"""Measure a project's checks in the tools container, on the host and with `docker compose run`.

`check_copy` makes the directory that they run from, `measured_sessions` has the commands, `check_rounds` runs and times
them, `check_limits` has the limits.
"""

from collections.abc import Callable

from goldi_tasks.benchmark.limits import LimitReport
from goldi_tasks.benchmark.times import Times
from goldi_tasks.checks import container, environment
from goldi_tasks.checks.check_benchmark import check_copy, check_rounds, measured_sessions
from goldi_tasks.settings import Settings


def measure(settings: Settings, number: int, report: Callable[[str], None]) -> LimitReport:
    """Measure checks of the project in `number` rounds; `report` gets each step as text.

    All files and containers of the measurement are removed, also after Ctrl-C. The project's own container and its
    caches are not used. Raises as builds do, NotAProject without a lock file, CommandFailed where a check cannot run.
    """
    sessions = measured_sessions.sessions(settings)
    environment.lock(settings)
    report("the tools image")
    container.build_image(settings)
    times = Times(report)
    with check_copy.make_scratch(settings, sessions, report) as scratch:
        benchmark = check_rounds.CheckRounds(scratch, sessions, times)
        benchmark.prepare()
        for index in range(number):
            times.heading = f"round {index + 1} of {number}: "
            benchmark.run(backwards=bool(index % 2))
    return check_rounds.report(number, times.medians())
