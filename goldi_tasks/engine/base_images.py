"""Make base images from Debian's packages where no registry answers; the same packages give the same bits."""

import shutil
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from goldi_tasks import envfile, process
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.engine import (
    DEFAULT_PATHS,
    EnginePaths,
    as_root,
    distribution,
    ensure_root_directory,
    image_archive,
    lock,
    oci,
    packages,
)
from goldi_tasks.errors import CommandFailed, EngineFailed
from goldi_tasks.settings import Settings
from goldi_tasks.settings.image_names import BUILT, DATABASE, base_images, database_image, join_names


def ensure(settings: Settings, paths: EnginePaths = DEFAULT_PATHS, *, database: bool = False) -> None:
    """Provide base images for a project that chose none, if its own are not available.

    A project without infrastructure/docker gets none. With `database`, the first start of the stack builds its database
    image, as .env then says; here it would take too long. Raises EngineFailed, NoPermission.
    """
    if not settings.env_file.parent.is_dir():
        return
    made_images = settings.made_images
    images = {} if settings.images_chosen else base_images(settings, made_images)
    if database and not database_image(settings, made_images):
        images |= {"POSTGRES_IMAGE": DATABASE}
    unavailable = _find_unavailable(images)
    own_images = {
        variable: distribution.IMAGES[variable].name for variable in unavailable if variable in distribution.IMAGES
    }
    if missing := [variable for variable, name in own_images.items() if not is_here(name)]:
        make(paths, missing)
    _write(settings, own_images | (BUILT if "POSTGRES_IMAGE" in unavailable else {}))


def adopt(settings: Settings, *, database: bool = False) -> bool:
    """Name in .env the images that `engine.up` made for another checkout; return whether it did.

    Only where the project chose none, its own are not on the engine and no registry has them.
    """
    made_images = settings.made_images
    images = {} if settings.images_chosen else base_images(settings, made_images)
    own_images = {
        variable: distribution.IMAGES[variable].name
        for variable in images
        if not images[variable].startswith("localhost/")
    }
    if not own_images:
        return False
    present = _list_present({DATABASE, *images.values(), *own_images.values()})
    missing = {name: images[name] for name in own_images if images[name] not in present and own_images[name] in present}
    values = {variable: own_images[variable] for variable in _find_unavailable(missing)}
    if values and database and DATABASE not in present and not database_image(settings, made_images):
        values |= BUILT
    return _write(settings, values)


def _find_unavailable(images: Mapping[str, str]) -> list[str]:
    """Return the variables of images that are not available."""
    with ThreadPoolExecutor() as pool:
        availability = dict(zip(images, pool.map(is_available, images.values()), strict=True))
    return [variable for variable in images if not availability[variable]]


def _write(settings: Settings, values: Mapping[str, str]) -> bool:
    """Name images in .env; return whether that changed anything."""
    changed = bool(values) and not process.is_dry() and envfile.write(settings.env_file, values)
    if changed:
        note = ", which is built when the stack is first started" if "GOLDI_DATABASE" in values else ""
        print(f"no registry answers: {settings.env_file} names {join_names(values)}{note}", flush=True)
    return changed


def _list_present(names: set[str]) -> set[str]:
    """Return those of `names` that the engine has."""
    filters = [part for name in sorted(names) for part in ("--filter", f"reference={name}")]
    template = ("--format", "{{.Repository}}:{{.Tag}}")
    try:
        return set(process.capture(Command(("docker", "image", "ls", *template, *filters))).split())
    except CommandFailed:
        # The build reports what is wrong with the engine.
        return set()


def make(paths: EnginePaths, variables: Sequence[str]) -> None:
    """Make our images for `variables` (PYTHON_IMAGE, NODE_IMAGE). Raises EngineFailed, NoPermission."""
    names = " and ".join(distribution.IMAGES[variable].name for variable in variables)
    if process.is_dry():
        print(f"would make {names} from Debian packages")
        return
    if as_root("images", *variables):
        return
    print(f"making {names} from Debian packages: about a minute")
    with lock(paths), workshop(paths) as work:
        for variable in variables:
            packages.secret(
                work / f"{distribution.IMAGES[variable].title}.status",
                distribution.stand_in(distribution.IMAGES[variable]),
            )
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda variable: _make(paths, work, distribution.IMAGES[variable]), variables))


@contextmanager
def workshop(paths: EnginePaths) -> Iterator[Path]:
    """Create a directory for making images, with the host's sources and apt's settings. Raises EngineFailed."""
    folder = paths.data / "images"
    _get_mmdebstrap(paths)
    _remove_tree(folder)
    ensure_root_directory(paths.data, 0o711)
    work = ensure_root_directory(folder, 0o700)
    packages.secret(work / "host.sources", distribution.sources(packages.mirrors()))
    packages.secret(work / "00host", packages.acquire())
    yield work
    _remove_tree(folder)


def _make(paths: EnginePaths, work: Path, image: distribution.BaseImage) -> None:
    """Make one image and load it. Raises EngineFailed."""
    path = f"{paths.path}:{Path(sys.executable).parent}"
    command = distribution.mmdebstrap(image, str(work))
    try:
        process.capture(Command(command.argv, {**command.env, "PATH": path, "TMPDIR": str(work)}))
        layer = image_archive.packed(_normalize(work / f"{image.title}.layer"))
        archive = _write_archive(layer, image)
        layer.path.unlink()
        process.capture(Command(("docker", "load", "--input", str(archive)), {"PATH": path}))
    except CommandFailed as error:
        remedy = "Set PYTHON_IMAGE and NODE_IMAGE to available images, or fix this error and run this again"
        raise EngineFailed(f"{image.name} could not be made: {distribution.reason(error.problem)}", remedy) from error


def _normalize(layer: Path) -> Path:
    """Rewrite a layer with uniform headers: tar's differ by release, and with them the image's id would."""
    normal = layer.with_suffix(".normal")
    with tarfile.open(layer) as source, tarfile.open(normal, "w", format=tarfile.PAX_FORMAT) as target:
        for entry in source:
            target.addfile(entry, source.extractfile(entry) if entry.isreg() else None)
    layer.unlink()
    return normal


def _write_archive(layer: image_archive.PackedLayer, image: distribution.BaseImage) -> Path:
    """Write what `docker load` reads: the layer, its configuration and the manifest, without the present date."""
    config = distribution.image_config(image, layer.diff_id, system_info.host().platform.removeprefix("linux/"))
    config_digest = image_archive.sha256(config)
    manifest = oci.manifest((config_digest, len(config)), (layer.digest, layer.size))
    index = oci.top(image.name, oci.manifest_of(image_archive.sha256(manifest), len(manifest)))
    legacy = oci.legacy(image.name, config_digest, layer.digest)
    return image_archive.write(layer.path.with_suffix(".tar"), index, (manifest, config), layer, legacy)


def _remove_tree(folder: Path) -> None:
    # File systems that are mounted below must not be emptied.
    process.capture(Command(("rm", "-rf", "--one-file-system", str(folder))))


def _get_mmdebstrap(paths: EnginePaths) -> None:
    """Install mmdebstrap unless `paths.path` has it. Raises EngineFailed."""
    if shutil.which("mmdebstrap", path=paths.path):
        return
    if packages.of_release():
        packages.install("mmdebstrap")
    else:
        packages.ensure(paths, renew=False)


def is_available(name: str) -> bool:
    """Return whether the engine or a registry has the image, within ten seconds.

    The engine is asked to pull, too: it may know mirrors of its own.
    """
    if is_here(name) or name.startswith("localhost/"):
        return is_here(name)
    limit = ("timeout", "5") if shutil.which("timeout") else ()
    return _succeeds(*limit, "docker", "buildx", "imagetools", "inspect", name) or _succeeds(
        *limit, "docker", "pull", name
    )


def is_here(name: str) -> bool:
    """Return whether the engine has the image."""
    return _succeeds("docker", "image", "inspect", name)


def _succeeds(*argv: str) -> bool:
    try:
        process.capture(Command(argv))
    except CommandFailed:
        return False
    return True
