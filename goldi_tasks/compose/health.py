"""Read the health of containers since their last start; checks of earlier runs are ignored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from goldi_tasks.client.inspect_objects import inspect_objects
from goldi_tasks.compose.containers import Container
from goldi_tasks.errors import CommandFailed

# Docker's default number of retries, and how many results of a health check it keeps.
_RETRIES, _MAX_CHECKS = 3, 5
_NEVER = datetime.fromisoformat("0001-01-01T00:00:00Z")


@dataclass(frozen=True)
class CheckRun:
    """A run of a health check: when it ended, whether it passed, what it printed."""

    end: datetime
    passed: bool
    output: str


@dataclass(frozen=True)
class Health:
    """What `docker inspect` reports of a container: its state, its last start, the `checks` since then, oldest first.

    `status` is Docker's verdict, "" without a health check. After `retries` failures in a row it is unhealthy.
    """

    state: str
    started: datetime
    status: str
    checks: tuple[CheckRun, ...]
    retries: int

    @property
    def summary(self) -> str:
        """Return `healthy`, `unhealthy` or `starting`; the state where it does not run, or has no health check.

        The last check decides: Docker calls a container healthy until several checks have failed.
        """
        if self.state != "running" or not self.status:
            return self.state
        if not self.checks:
            return "starting"
        return self.status if self.checks[-1].passed or self.status == "starting" else "unhealthy"

    @property
    def output(self) -> str:
        """Return what the last check printed, in one line."""
        return " ".join(self.checks[-1].output.split()) if self.state == "running" and self.checks else ""

    def is_unhealthy_since(self, moment: datetime) -> bool:
        """Return whether Docker calls it unhealthy for checks that ended after `moment`."""
        if self.state != "running" or self.status != "unhealthy":
            return False
        failed = sum(check.end > moment for check in self.checks)
        return self.started > moment or failed >= min(self.retries, _MAX_CHECKS)


def inspect(container_ids: Iterable[str]) -> dict[str, Health]:
    """Return the health of containers, by id; without those that were removed meanwhile."""
    try:
        return {str(row["Id"]): parse(row) for row in inspect_objects("container", tuple(container_ids))}
    except CommandFailed:
        return {}


def parse(row: Mapping[str, Any]) -> Health:
    """Return the health of a container that `docker inspect` describes."""
    state, healthcheck = row["State"], row["Config"].get("Healthcheck") or {}
    started, health = _parse_time(state.get("StartedAt")), state.get("Health") or {}
    results = (
        CheckRun(_parse_time(result.get("End")), result.get("ExitCode") == 0, str(result.get("Output", "")))
        for result in health.get("Log") or ()
        if _parse_time(result.get("Start")) >= started
    )
    status = health.get("Status", "none")
    return Health(
        state["Status"],
        started,
        "" if status == "none" else status,
        tuple(results),
        healthcheck.get("Retries") or _RETRIES,
    )


def verdicts(containers: Iterable[Container]) -> dict[str, datetime]:
    """Return, by id, when the last check of each unhealthy container ended.

    Checks up to that moment are ignored after a start, which may make the container healthy.
    """
    health_by_id = inspect(container.id for container in containers if container.health == "unhealthy")
    return {key: health.checks[-1].end if health.checks else health.started for key, health in health_by_id.items()}


def _parse_time(text: Any) -> datetime:
    """Parse a moment as the engine writes it, in one of two time zones."""
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return _NEVER
