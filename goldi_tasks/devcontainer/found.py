"""The project's dev containers, however they were made: by us, by the CLI, by VS Code."""

from goldi_tasks import probe, run
from goldi_tasks.errors import CommandFailed, NoDevcontainer
from goldi_tasks.plan import devcontainer as plan
from goldi_tasks.plan.devcontainer import Found
from goldi_tasks.settings import Settings


def containers(settings: Settings) -> list[Found]:
    """All of them, those that run first. Raises NoEngine, NoPermission."""
    try:
        ids = run.capture(plan.listed(settings.project)).split()
        return inspected(ids) if ids else []
    except CommandFailed:
        # Raises what there is to say where none answers.
        probe.engine_info()
        raise


def inspected(ids: list[str]) -> list[Found]:
    """Those with these ids. Raises CommandFailed."""
    return plan.found(run.capture(plan.inspected(ids)))


def running(settings: Settings) -> Found:
    """The one that runs. Raises NoDevcontainer, NoEngine, NoPermission."""
    there = containers(settings)
    if not there or not there[0].running:
        raise NoDevcontainer(f"no dev container of {settings.project} is running", "Run `inv devcontainer.up`")
    return there[0]
