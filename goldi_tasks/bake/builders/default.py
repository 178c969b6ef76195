"""Start the current builder of buildx where it is not the engine itself."""

from goldi_tasks import process
from goldi_tasks.bake.builders import builder_model, configured
from goldi_tasks.bake.builders.builder_model import Builder
from goldi_tasks.client.system_info import Docker
from goldi_tasks.errors import CommandFailed, NoEngine


def check(docker: Docker) -> None:
    """Start the current builder, if it is not the engine itself, and wait until it answers. Raises NoEngine."""
    if not docker.container:
        return
    builder = Builder("docker-container" if docker.driver == "docker" else docker.driver, "", docker.container)
    try:
        if (
            not builder_model.is_running(
                process.capture_within(builder_model.inspect_command(builder), configured.ANSWER)
            )
            and not process.is_dry()
        ):
            configured.start(builder, f"the builder {docker.container}")
    except CommandFailed as error:
        raise start_error(docker.container, error.problem) from error


def start_error(name: str, output: str) -> NoEngine:
    """Return the exception for the builder `name` that does not start; `output` is what docker printed."""
    remedy = "Run `inv build.builder --reset`; it selects the engine's own builder if no other builder starts"
    return NoEngine(f"the builder {name} cannot be started: {builder_model.boot_failure(output)}", remedy)
