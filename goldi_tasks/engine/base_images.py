"""Base images for where no registry answers: made from Debian's packages, from the same packages the same bits."""

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
from goldi_tasks.engine import HERE, Place, as_root, distribution, image_archive, lock, oci, own, packages
from goldi_tasks.errors import CommandFailed, EngineFailed
from goldi_tasks.settings import Settings
from goldi_tasks.settings.image_names import BUILT, DATABASE, base_images, database_image, in_words


def ensure(settings: Settings, place: Place = HERE, *, database: bool = False) -> None:
    """Provide base images for a project that chose none, where its own cannot be had.

    A project without infrastructure/docker gets none. With `database` .env also has the stack's database built, by the
    first command that starts it: that takes longer than this may. Raises EngineFailed, NoPermission.
    """
    if not settings.env_file.parent.is_dir():
        return
    text = settings.made_images
    wanted = {} if settings.images_chosen else base_images(settings, text)
    if database and not database_image(settings, text):
        wanted |= {"POSTGRES_IMAGE": DATABASE}
    lacking = _lacking(wanted)
    ours = {variable: distribution.IMAGES[variable].name for variable in lacking if variable in distribution.IMAGES}
    if missing := [variable for variable, name in ours.items() if not is_here(name)]:
        make(place, missing)
    _write(settings, ours | (BUILT if "POSTGRES_IMAGE" in lacking else {}))


def adopt(settings: Settings, *, database: bool = False) -> bool:
    """Name in .env the images that `engine.up` made for another checkout; return whether it did.

    Only where the project chose none, its own are not on the engine and no registry has them.
    """
    text = settings.made_images
    wanted = {} if settings.images_chosen else base_images(settings, text)
    ours = {
        variable: distribution.IMAGES[variable].name
        for variable in wanted
        if not wanted[variable].startswith("localhost/")
    }
    if not ours:
        return False
    here = _listed({DATABASE, *wanted.values(), *ours.values()})
    missing = {name: wanted[name] for name in ours if wanted[name] not in here and ours[name] in here}
    values = {variable: ours[variable] for variable in _lacking(missing)}
    if values and database and DATABASE not in here and not database_image(settings, text):
        values |= BUILT
    return _write(settings, values)


def _lacking(wanted: Mapping[str, str]) -> list[str]:
    """The variables of images that cannot be had."""
    with ThreadPoolExecutor() as pool:
        had = dict(zip(wanted, pool.map(can_be_had, wanted.values()), strict=True))
    return [variable for variable in wanted if not had[variable]]


def _write(settings: Settings, values: Mapping[str, str]) -> bool:
    """Name images in .env; return whether that changed anything."""
    changed = bool(values) and not process.is_dry() and envfile.write(settings.env_file, values)
    if changed:
        later = ", which is built when the stack is first started" if "GOLDI_DATABASE" in values else ""
        print(f"no registry answers: {settings.env_file} names {in_words(values)}{later}", flush=True)
    return changed


def _listed(names: set[str]) -> set[str]:
    """Those of `names` that the engine has."""
    wanted = [part for name in sorted(names) for part in ("--filter", f"reference={name}")]
    form = ("--format", "{{.Repository}}:{{.Tag}}")
    try:
        return set(process.capture(Command(("docker", "image", "ls", *form, *wanted))).split())
    except CommandFailed:
        # The build says what is wrong with the engine.
        return set()


def make(place: Place, variables: Sequence[str]) -> None:
    """Make our images for `variables` (PYTHON_IMAGE, NODE_IMAGE). Raises EngineFailed, NoPermission."""
    names = " and ".join(distribution.IMAGES[variable].name for variable in variables)
    if process.is_dry():
        print(f"would make {names} from Debian packages")
        return
    if as_root("images", *variables):
        return
    print(f"making {names} from Debian packages: about a minute")
    with lock(place), workshop(place) as work:
        for variable in variables:
            packages.secret(
                work / f"{distribution.IMAGES[variable].title}.status",
                distribution.stand_in(distribution.IMAGES[variable]),
            )
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda variable: _make(place, work, distribution.IMAGES[variable]), variables))


@contextmanager
def workshop(place: Place) -> Iterator[Path]:
    """A directory to make images in, with the host's sources and apt's settings. Raises EngineFailed."""
    folder = place.data / "images"
    _get_mmdebstrap(place)
    _remove(folder)
    own(place.data, 0o711)
    work = own(folder, 0o700)
    packages.secret(work / "host.sources", distribution.sources(packages.mirrors()))
    packages.secret(work / "00host", packages.acquire())
    yield work
    _remove(folder)


def _make(place: Place, work: Path, image: distribution.Image) -> None:
    """One image, made and loaded."""
    path = f"{place.path}:{Path(sys.executable).parent}"
    command = distribution.mmdebstrap(image, str(work))
    try:
        process.capture(Command(command.argv, {**command.env, "PATH": path, "TMPDIR": str(work)}))
        layer = image_archive.packed(_normal(work / f"{image.title}.layer"))
        archive = _archive(layer, image)
        layer.path.unlink()
        process.capture(Command(("docker", "load", "--input", str(archive)), {"PATH": path}))
    except CommandFailed as error:
        remedy = "Set PYTHON_IMAGE and NODE_IMAGE to images that can be had, or mend that and run this again"
        raise EngineFailed(f"{image.name} could not be made: {distribution.reason(error.problem)}", remedy) from error


def _normal(layer: Path) -> Path:
    """The layer with headers of one kind: tar's differ by its release, and with them the image's id."""
    normal = layer.with_suffix(".normal")
    with tarfile.open(layer) as old, tarfile.open(normal, "w", format=tarfile.PAX_FORMAT) as new:
        for entry in old:
            new.addfile(entry, old.extractfile(entry) if entry.isreg() else None)
    layer.unlink()
    return normal


def _archive(layer: image_archive.Layer, image: distribution.Image) -> Path:
    """What `docker load` reads: the layer, the configuration and the list of both, without anything of today."""
    config = distribution.image_config(image, layer.diff_id, system_info.host().platform.removeprefix("linux/"))
    described = image_archive.sha256(config)
    manifest = oci.manifest((described, len(config)), (layer.digest, layer.size))
    top = oci.top(image.name, oci.manifest_of(image_archive.sha256(manifest), len(manifest)))
    legacy = oci.legacy(image.name, described, layer.digest)
    return image_archive.write(layer.path.with_suffix(".tar"), top, (manifest, config), layer, legacy)


def _remove(folder: Path) -> None:
    # What is mounted below is not ours to empty.
    process.capture(Command(("rm", "-rf", "--one-file-system", str(folder))))


def _get_mmdebstrap(place: Place) -> None:
    """See to it that `place.path` finds mmdebstrap. Raises EngineFailed where it cannot be had."""
    if shutil.which("mmdebstrap", path=place.path):
        return
    if packages.of_release():
        packages.install("mmdebstrap")
    else:
        packages.ensure(place, renew=False)


def can_be_had(name: str) -> bool:
    """Whether `name` is here or a registry has it, found out in ten seconds; the engine may know mirrors of its own."""
    if is_here(name) or name.startswith("localhost/"):
        return is_here(name)
    limit = ("timeout", "5") if shutil.which("timeout") else ()
    return _works(*limit, "docker", "buildx", "imagetools", "inspect", name) or _works(*limit, "docker", "pull", name)


def is_here(name: str) -> bool:
    """Whether the engine has the image."""
    return _works("docker", "image", "inspect", name)


def _works(*argv: str) -> bool:
    try:
        process.capture(Command(argv))
    except CommandFailed:
        return False
    return True
