"""The builder that docker chooses by itself, where that is not the engine: whether it starts."""

from goldi_tasks import run
from goldi_tasks.build.builders import elsewhere
from goldi_tasks.errors import CommandFailed, NoEngine
from goldi_tasks.plan import builder as plan
from goldi_tasks.plan.builder import Builder
from goldi_tasks.probe import Docker


def check(docker: Docker) -> None:
    """Start the builder that builds, where it is not the engine itself, and wait for it. Raises NoEngine."""
    if not docker.container:
        return
    builder = Builder("docker-container" if docker.driver == "docker" else docker.driver, "", docker.container)
    try:
        if not plan.runs(run.ask(plan.ask(builder), elsewhere.ANSWER)) and not run.is_dry():
            elsewhere.start(builder, f"the builder {docker.container}")
    except CommandFailed as error:
        raise dead(docker.container, error.problem) from error


def dead(name: str, said: str) -> NoEngine:
    """Return the error of a builder that does not start, of which docker `said` why."""
    remedy = "Run `inv build.builder --reset`, which goes back to the engine's own builder where no other one starts"
    return NoEngine(f"the builder {name} cannot be started: {plan.boot_failure(said)}", remedy)
