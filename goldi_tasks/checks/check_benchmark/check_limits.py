"""Define the limits of checks' durations, relative to the host and to `docker compose run`."""

import os
from collections.abc import Mapping

from goldi_tasks.benchmark.limits import Limit, LimitReport

LIMITS = (
    Limit("`nox -s lint`, warm", "lint, container", "lint, host", "host", "more", 0.15),
    Limit("`nox -s lint`, warm", "lint, container", "lint, compose", "`docker compose run`", "faster", 2.5),
    Limit("`nox -s lint`, first after boot", "lint, first", "lint, host", "host", "more", 0.6),
    Limit("`mypy`, warm cache", "typecheck, container", "typecheck, host", "host", "times", 1.15),
    Limit("`nox -j 8`, eight sessions", "parallel, container", "parallel, host", "host", "times", 1.3),
)


def report(rounds: int, seconds: Mapping[str, float]) -> LimitReport:
    """Return a report of the measured `seconds` with their limits."""
    return LimitReport(rounds, os.cpu_count() or 1, seconds, LIMITS, note="The host's environment is ready.")
