"""Our base images for another processor: made when a build asks for it, and put under the name of the native one."""

import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.engine import (
    HERE,
    Place,
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


def ensure(named: Mapping[str, str], platforms: Sequence[str], place: Place = HERE) -> bool:
    """Whether something was made: those of the base images `named` that are ours, for `platforms` they lack.

    Node is not among them: a front end is built on the platform that builds. Raises EngineFailed, NoPermission.
    """
    variable = "PYTHON_IMAGE"
    name = distribution.IMAGES[variable].name
    if named.get(variable) != name:
        return False
    lacking = [one for one in platforms if one != system_info.docker().platform and not has(name, one)]
    if lacking:
        make(place, variable, lacking)
    return bool(lacking)


def has(name: str, platform: str) -> bool:
    """Whether the engine has the image for `platform`; a build would take another platform's, with a warning."""
    command = ("docker", "create", "--platform", platform, "--pull", "never", name, "true")
    try:
        container = process.capture(Command(command)).strip()
    except CommandFailed:
        return False
    process.capture(Command(("docker", "rm", container)))
    return True


def make(place: Place, variable: str, platforms: Sequence[str]) -> None:
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
    began = time.monotonic()
    with lock(place), base_images.workshop(place) as work:
        for platform in platforms:
            _make(place, work, image, platform.removeprefix("linux/"))
    print(f"made in {time.monotonic() - began:.0f} s")


def _make(place: Place, work: Path, image: distribution.Image, architecture: str) -> None:
    """One image, made and loaded."""
    path = f"{place.path}:{Path(sys.executable).parent}"
    command = cross_platform_plan.mmdebstrap(image, str(work), architecture)
    saved, layer = work / "native.tar", work / f"{image.title}.layer"
    packages.secret(work / "configure.sh", cross_platform_plan.script())
    try:
        process.capture(Command(command.argv, {**command.env, "PATH": path, "TMPDIR": str(work)}))
        process.capture(Command(("docker", "save", "--output", str(saved), image.name), {"PATH": path}))
        archive = _joined(saved, layer, image, architecture)
        process.capture(Command(("docker", "load", "--input", str(archive)), {"PATH": path}))
    except CommandFailed as error:
        remedy = "Set PYTHON_IMAGE to an image that can be had for it, or mend that and run this again"
        problem = f"{image.name} could not be made for linux/{architecture}: {distribution.reason(error.problem)}"
        raise EngineFailed(problem, remedy) from error


def _joined(saved: Path, layer: Path, image: distribution.Image, architecture: str) -> Path:
    """What makes one image of the saved native one and of the new `layer`: an index over both."""
    native = system_info.host().platform.removeprefix("linux/")
    with image_archive.opened(saved, native) as (manifests, files):
        whole = _complete(layer, files)
    config = distribution.image_config(image, whole.diff_id, architecture)
    manifest = oci.manifest((image_archive.sha256(config), len(config)), (whole.digest, whole.size))
    others = [one for each in manifests if (one := oci.chosen([each], each["platform"]["architecture"]))]
    kept = [one for one in others if one["platform"]["architecture"] != architecture]
    index = oci.index([*kept, oci.manifest_of(image_archive.sha256(manifest), len(manifest), architecture)])
    top = oci.top(image.name, oci.index_of(image_archive.sha256(index), len(index)))
    return image_archive.write(layer.with_suffix(".oci"), top, (index, manifest, config), whole)


def _complete(layer: Path, native: tarfile.TarFile) -> image_archive.Layer:
    """The layer, packed, with what the native one has generated, and headers of one kind. Raises EngineFailed."""
    path = layer.with_suffix(".whole")
    with tarfile.open(layer) as old, tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as new:
        for name in cross_platform_plan.SAME:
            if _text(old, name) != _text(native, name):
                problem = f"the native image was made of other packages ({name} differs)"
                raise EngineFailed(problem, "Remove it with `docker image rm`, and let `inv engine.up` make it again")
        chosen = [(old, one) for one in old if not cross_platform_plan.is_generated(one.name)]
        chosen += [(native, one) for one in native if cross_platform_plan.is_for_all(one.name)]
        for source, entry in chosen:
            new.addfile(entry, source.extractfile(entry) if entry.isreg() else None)
    return image_archive.packed(path)


def _text(files: tarfile.TarFile, name: str) -> bytes:
    file = files.extractfile(name)
    return file.read() if file else b""
