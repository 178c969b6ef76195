"""How containers are since their last start: a health check of an earlier run counts for nothing."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.compose.containers import Container
from goldi_tasks.errors import CommandFailed

# What Docker takes where the health check gives no number of retries, and how many results it keeps.
_RETRIES, _KEPT = 3, 5
_NEVER = datetime.fromisoformat("0001-01-01T00:00:00Z")


@dataclass(frozen=True)
class Check:
    """A run of a health check: when it ended, whether it passed, what it printed."""

    end: datetime
    passed: bool
    output: str


@dataclass(frozen=True)
class Health:
    """What `docker inspect` says of a container: its state, its last start, the `checks` since then, oldest first.

    `status` is Docker's verdict, "" where nothing checks. `retries` is how many failures in a row make it unhealthy.
    """

    state: str
    started: datetime
    status: str
    checks: tuple[Check, ...]
    retries: int

    @property
    def word(self) -> str:
        """`healthy`, `unhealthy` or `starting`; the state where it does not run, or nothing checks it.

        The last check decides: Docker calls a container healthy until several have failed.
        """
        if self.state != "running" or not self.status:
            return self.state
        if not self.checks:
            return "starting"
        return self.status if self.checks[-1].passed or self.status == "starting" else "unhealthy"

    @property
    def output(self) -> str:
        """What the last check printed, in one line."""
        return " ".join(self.checks[-1].output.split()) if self.state == "running" and self.checks else ""

    def is_unhealthy_since(self, moment: datetime) -> bool:
        """Whether Docker calls it unhealthy for checks that ended after `moment`."""
        if self.state != "running" or self.status != "unhealthy":
            return False
        failed = sum(check.end > moment for check in self.checks)
        return self.started > moment or failed >= min(self.retries, _KEPT)


def inspected(ids: Iterable[str]) -> dict[str, Health]:
    """The health of containers, by id; none where one has gone meanwhile."""
    if not (named := tuple(ids)):
        return {}
    try:
        said = process.capture(Command(("docker", "inspect", "--type", "container", *named)))
    except CommandFailed:
        return {}
    return {str(row["Id"]): parse(row) for row in json.loads(said or "[]")}


def parse(row: Mapping[str, Any]) -> Health:
    """The health of a container that `docker inspect` describes."""
    state, check = row["State"], row["Config"].get("Healthcheck") or {}
    started, health = _time(state.get("StartedAt")), state.get("Health") or {}
    results = (
        Check(_time(one.get("End")), one.get("ExitCode") == 0, str(one.get("Output", "")))
        for one in health.get("Log") or ()
        if _time(one.get("Start")) >= started
    )
    status = health.get("Status", "none")
    return Health(
        state["Status"],
        started,
        "" if status == "none" else status,
        tuple(results),
        check.get("Retries") or _RETRIES,
    )


def verdicts(there: Iterable[Container]) -> dict[str, datetime]:
    """When the last check ended of those containers that are unhealthy: a start may make them healthy."""
    found = inspected(one.id for one in there if one.health == "unhealthy")
    return {key: one.checks[-1].end if one.checks else one.started for key, one in found.items()}


def _time(text: Any) -> datetime:
    """A moment as the engine writes it, in one of two time zones."""
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return _NEVER
