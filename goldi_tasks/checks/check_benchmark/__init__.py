"""How long a project's checks take here in the tools container, beside the host and beside `docker compose run`.

`scratch` is the directory that they are run from, `programs` the commands, `rounds` runs and times, `table` says it.
"""

from collections.abc import Callable

from goldi_tasks.benchmark.limits import Report
from goldi_tasks.benchmark.times import Times
from goldi_tasks.checks import container, environment
from goldi_tasks.checks.check_benchmark import check_copy, check_limits, check_rounds, measured_sessions
from goldi_tasks.settings import Settings


def measure(settings: Settings, number: int, tell: Callable[[str], None]) -> Report:
    """`number` rounds of checks of the project; `tell` hears what is done.

    What they leave, on disk and with the engine, is removed, also after Ctrl-C. The project's own container and its
    caches are not used. Raises as builds do, NotAProject without a lock, CommandFailed where a check cannot run.
    """
    sessions = measured_sessions.sessions(settings)
    environment.lock(settings)
    tell("the tools image")
    container.build_image(settings)
    times = Times(tell)
    with check_copy.made(settings, sessions, tell) as made:
        found = check_rounds.Rounds(made, sessions, times)
        found.prepare()
        for current in range(number):
            times.heading = f"round {current + 1} of {number}: "
            found.run(backwards=bool(current % 2))
    return check_limits.report(number, times.medians())
