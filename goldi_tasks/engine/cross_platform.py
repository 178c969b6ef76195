"""Make our base images for another processor when a build needs them, under the name of the native image."""

import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.engine import (
    DEFAULT_PATHS,
    EnginePaths,
    as_root,
    base_images,
    cross_platform_plan,
    distribution,
    image_archive,
    lock,
    oci,
    packages,
)
from goldi_tasks.errors import CommandFailed, EngineFailed


def ensure(images: Mapping[str, str], platforms: Sequence[str], paths: EnginePaths = DEFAULT_PATHS) -> bool:
    """Make those of the base `images` that are ours, for `platforms` they lack; return whether any was made.

    Node is not among them: a front end is built on the platform that builds. Raises EngineFailed, NoPermission.
    """
    variable = "PYTHON_IMAGE"
    name = distribution.IMAGES[variable].name
    if images.get(variable) != name:
        return False
    missing = [
        platform for platform in platforms if platform != system_info.docker().platform and not has(name, platform)
    ]
    if missing:
        make(paths, variable, missing)
    return bool(missing)


def has(name: str, platform: str) -> bool:
    """Return whether the engine has the image for `platform`; a build would take another platform's, with a warning."""
    command = ("docker", "create", "--platform", platform, "--pull", "never", name, "true")
    try:
        container = process.capture(Command(command)).strip()
    except CommandFailed:
        return False
    process.capture(Command(("docker", "rm", container)))
    return True


def make(paths: EnginePaths, variable: str, platforms: Sequence[str]) -> None:
    """Make our image for `variable` for `platforms`, beside the native one. Raises EngineFailed, NoPermission."""
    image = distribution.IMAGES[variable]
    if process.is_dry():
        print(f"would make {image.name} for {' and '.join(platforms)} from Debian packages")
        return
    if as_root("foreign", variable, *platforms):
        return
    print(
        f"making {image.name} for {' and '.join(platforms)} from Debian packages, once: about two minutes", flush=True
    )
    started_at = time.monotonic()
    with lock(paths), base_images.workshop(paths) as work:
        for platform in platforms:
            _make(paths, work, image, platform.removeprefix("linux/"))
    print(f"made in {time.monotonic() - started_at:.0f} s")


def _make(paths: EnginePaths, work: Path, image: distribution.BaseImage, architecture: str) -> None:
    """Make one image and load it. Raises EngineFailed."""
    path = f"{paths.path}:{Path(sys.executable).parent}"
    command = cross_platform_plan.mmdebstrap(image, str(work), architecture)
    saved, layer = work / "native.tar", work / f"{image.title}.layer"
    packages.secret(work / "configure.sh", cross_platform_plan.script())
    try:
        process.capture(Command(command.argv, {**command.env, "PATH": path, "TMPDIR": str(work)}))
        process.capture(Command(("docker", "save", "--output", str(saved), image.name), {"PATH": path}))
        archive = _join(saved, layer, image, architecture)
        process.capture(Command(("docker", "load", "--input", str(archive)), {"PATH": path}))
    except CommandFailed as error:
        remedy = "Set PYTHON_IMAGE to an image for that platform, or fix this error and run this again"
        problem = f"{image.name} could not be made for linux/{architecture}: {distribution.reason(error.problem)}"
        raise EngineFailed(problem, remedy) from error


def _join(saved: Path, layer: Path, image: distribution.BaseImage, architecture: str) -> Path:
    """Write an image index over the saved native image and the new `layer`, as a file for `docker load`."""
    native = system_info.host().platform.removeprefix("linux/")
    with image_archive.opened(saved, native) as (manifests, files):
        packed = _complete(layer, files)
    config = distribution.image_config(image, packed.diff_id, architecture)
    manifest = oci.manifest((image_archive.sha256(config), len(config)), (packed.digest, packed.size))
    descriptors = [
        descriptor
        for listed in manifests
        if (descriptor := oci.select_descriptor([listed], listed["platform"]["architecture"]))
    ]
    other_platforms = [
        descriptor for descriptor in descriptors if descriptor["platform"]["architecture"] != architecture
    ]
    index = oci.index([*other_platforms, oci.manifest_of(image_archive.sha256(manifest), len(manifest), architecture)])
    index_json = oci.top(image.name, oci.index_of(image_archive.sha256(index), len(index)))
    return image_archive.write(layer.with_suffix(".oci"), index_json, (index, manifest, config), packed)


def _complete(layer: Path, native: tarfile.TarFile) -> image_archive.PackedLayer:
    """Pack the layer with the files that were generated in the native image, and with uniform headers.

    Raises EngineFailed if the native image was made from other packages.
    """
    path = layer.with_suffix(".whole")
    with tarfile.open(layer) as layer_files, tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as target:
        for name in cross_platform_plan.SAME:
            if _read(layer_files, name) != _read(native, name):
                problem = f"the native image was made from other packages ({name} differs)"
                raise EngineFailed(problem, "Remove it with `docker image rm`, then run `inv engine.up`")
        entries = [(layer_files, entry) for entry in layer_files if not cross_platform_plan.is_generated(entry.name)]
        entries += [(native, entry) for entry in native if cross_platform_plan.is_for_all(entry.name)]
        for source, entry in entries:
            target.addfile(entry, source.extractfile(entry) if entry.isreg() else None)
    return image_archive.packed(path)


def _read(files: tarfile.TarFile, name: str) -> bytes:
    file = files.extractfile(name)
    return file.read() if file else b""
