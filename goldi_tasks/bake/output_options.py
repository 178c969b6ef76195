"""Make the flags that choose the builder and the output of a build."""

from goldi_tasks.bake import compression
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.client.system_info import Docker


def builder_flags(docker: Docker) -> tuple[str, ...]:
    """Return the flag that names the builder; nothing for the current one.

    On the classic image store, which exports no local cache, the guide's own builder is chosen if it exists.
    """
    if docker.builder:
        return ("--builder", docker.builder)
    return ("--builder", docker.container) if docker.container and docker.driver == "docker" else ()


def flags(docker: Docker, request: BuildRequest, targets: tuple[str, ...]) -> tuple[str, ...]:
    """Return the flags for the output of a build and for attestations."""
    # Only pushed images get a provenance attestation: in a local image it would change the id on every build.
    sbom = (f"--sbom=generator={request.scanner}",) if request.scanner else ()
    provenance = ("--provenance=mode=max", *sbom) if request.push else ()
    has_own_output = request.outputs or any(".output" in text.partition("=")[0] for text in request.sets)
    if compression.is_supported(docker) and not has_own_output:
        # Instead of --push: with an `output` that is set, --push has no effect (buildx 0.13).
        return (*compression.outputs(targets, request.push), *provenance)
    if request.push:
        return ("--push", *provenance)
    is_container_builder = docker.driver != "docker" or (not docker.builder and bool(builder_flags(docker)))
    return ("--load",) if is_container_builder else ()
