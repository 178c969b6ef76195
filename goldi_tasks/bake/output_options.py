"""Where a build is done, and what comes out of it."""

from goldi_tasks.bake import compression
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.client.system_info import Docker


def builder(docker: Docker) -> tuple[str, ...]:
    """Which builder builds: the classic image store exports no local cache; a container driver's builder does."""
    if docker.builder:
        return ("--builder", docker.builder)
    return ("--builder", docker.container) if docker.container and docker.driver == "docker" else ()


def flags(docker: Docker, request: BuildRequest, targets: tuple[str, ...]) -> tuple[str, ...]:
    """What bake is told of what comes out, and of how it was made."""
    # What others pull says how it was made; a local image does not, since that changes its id on every build.
    scanned = (f"--sbom=generator={request.scanner}",) if request.scanner else ()
    provenance = ("--provenance=mode=max", *scanned) if request.push else ()
    chosen = request.outputs or any(".output" in text.partition("=")[0] for text in request.sets)
    if compression.chosen(docker) and not chosen:
        # Not beside --push, which an output of one's own takes the effect of (buildx 0.13).
        return (*compression.outputs(targets, request.push), *provenance)
    if request.push:
        return ("--push", *provenance)
    contained = docker.driver != "docker" or (not docker.builder and bool(builder(docker)))
    return ("--load",) if contained else ()
