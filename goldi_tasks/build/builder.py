"""The guide's `goldilocks-builder`: show it, create it, reset it."""

from pathlib import Path

from goldi_tasks import run
from goldi_tasks.command import Command
from goldi_tasks.errors import NotAProject
from goldi_tasks.probe import BUILDER, Docker
from goldi_tasks.settings import BAKE_FILE, find_project

_CREATE = ("docker", "buildx", "create", "--name", BUILDER, "--driver", "docker-container", "--bootstrap")
# What it collects, beside the bake file; plain `docker buildx create` takes it too.
CONFIG = BAKE_FILE.with_name("buildkitd.toml")


def show(docker: Docker) -> None:
    """Print which builder is used and what it can do."""
    does = "exports local caches" if docker.exports_local else "exports inline caches only"
    print(f"the current builder has the {docker.driver} driver, on the {docker.store} image store: it {does}")
    needed = "not needed" if docker.exports_local else "create it with `inv build.builder --create`"
    print(f"{BUILDER} is {'there' if BUILDER in docker.builders else f'not there: {needed}'}")


def create(docker: Docker, start: Path) -> None:
    """Create and start the builder as the guide does. Raises CommandFailed where its image cannot be had."""
    if BUILDER in docker.builders:
        print(f"{BUILDER} is there already")
        return
    run.live(_create(start))


def reset(docker: Docker, start: Path) -> None:
    """Remove the builder, with the cache in it, and create it again."""
    if BUILDER in docker.builders:
        run.live(Command(("docker", "buildx", "rm", BUILDER)))
    run.live(_create(start))


def _create(start: Path) -> Command:
    """The guide's command, with what keeps cache mounts where the project around `start` has that."""
    try:
        config = find_project(start) / CONFIG
    except NotAProject:
        return Command(_CREATE)
    return Command((*_CREATE, "--buildkitd-config", str(config)) if config.is_file() else _CREATE)
