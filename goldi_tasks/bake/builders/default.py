"""The builder that docker chooses by itself, where that is not the engine: whether it starts."""

from goldi_tasks import process
from goldi_tasks.bake.builders import builder_model, configured
from goldi_tasks.bake.builders.builder_model import Builder
from goldi_tasks.client.system_info import Docker
from goldi_tasks.errors import CommandFailed, NoEngine


def check(docker: Docker) -> None:
    """Start the builder that builds, where it is not the engine itself, and wait for it. Raises NoEngine."""
    if not docker.container:
        return
    builder = Builder("docker-container" if docker.driver == "docker" else docker.driver, "", docker.container)
    try:
        if not builder_model.runs(process.ask(builder_model.ask(builder), configured.ANSWER)) and not process.is_dry():
            configured.start(builder, f"the builder {docker.container}")
    except CommandFailed as error:
        raise dead(docker.container, error.problem) from error


def dead(name: str, said: str) -> NoEngine:
    """Return the error of a builder that does not start, of which docker `said` why."""
    remedy = "Run `inv build.builder --reset`, which goes back to the engine's own builder where no other one starts"
    return NoEngine(f"the builder {name} cannot be started: {builder_model.boot_failure(said)}", remedy)
