"""How the layers of images and of local caches are packed."""

from collections.abc import Mapping

from goldi_tasks.client.system_info import Docker

# Measured, cold, image and cache together: gzip 23.5 s, this 9.3 s, an uncompressed image 11.3 s and 15 % more disk.
# Image and cache alike, so that a layer is packed once. Without `force-compression`, which packs base images anew,
# and after which engine 26 lists an image no more or fails ("parent snapshot does not exist").
STAYS = "compression=zstd,compression-level=1"
# With force: else layers would be pushed as they were packed for this machine, which not every client can read.
LEAVES = "compression=gzip,force-compression=true"


def chosen(docker: Docker) -> bool:
    """Whether layers are packed as we say.

    The classic store keeps no layer packed, and what a container driver makes is sent to the engine as an archive.
    """
    return docker.driver == "docker" and docker.store == "containerd"


def has_outputs(bake_file: Mapping[str, Mapping[str, Mapping[str, object]]]) -> bool:
    """Whether a target says what comes out of it; then nothing of ours is said of any."""
    return any("output" in target for target in bake_file.get("target", {}).values())


def outputs(targets: tuple[str, ...], push: bool) -> tuple[str, ...]:
    """What is set for `targets` so that their images stay here, or are pushed."""
    # The containerd store knows layers of this packing by OCI's name only: without it an image of such layers alone is
    # not listed (engine 26.1), and one for another platform is not unpacked (containerd 1.7, images.IsLayerType).
    output = f"type=image,push=true,{LEAVES}" if push else f"type=image,{STAYS},oci-mediatypes=true"
    return tuple(part for target in targets for part in ("--set", f"{target}.output={output}"))
