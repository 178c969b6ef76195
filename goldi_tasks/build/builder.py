"""The guide's `goldilocks-builder`: show it, create it, reset it."""

from goldi_tasks import run
from goldi_tasks.command import Command
from goldi_tasks.probe import BUILDER, Docker

_CREATE = ("docker", "buildx", "create", "--name", BUILDER, "--driver", "docker-container", "--bootstrap")


def show(docker: Docker) -> None:
    """Print which builder is used and what it can do."""
    does = "exports local caches" if docker.exports_local else "exports inline caches only"
    print(f"the current builder has the {docker.driver} driver, on the {docker.store} image store: it {does}")
    needed = "not needed" if docker.exports_local else "create it with `inv build.builder --create`"
    print(f"{BUILDER} is {'there' if BUILDER in docker.builders else f'not there: {needed}'}")


def create(docker: Docker) -> None:
    """Create and start the builder as the guide does. Raises CommandFailed where its image cannot be had."""
    if BUILDER in docker.builders:
        print(f"{BUILDER} is there already")
        return
    run.live(Command(_CREATE))


def reset(docker: Docker) -> None:
    """Remove the builder, with the cache in it, and create it again."""
    if BUILDER in docker.builders:
        run.live(Command(("docker", "buildx", "rm", BUILDER)))
    run.live(Command(_CREATE))
