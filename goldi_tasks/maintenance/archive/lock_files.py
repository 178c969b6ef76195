"""Read the files that define the content of a project's caches."""

from collections.abc import Mapping

from goldi_tasks.errors import NoPermission
from goldi_tasks.maintenance.archive import cache_key
from goldi_tasks.settings import BAKE_FILE, Settings, image_names

_LOCKS = ("requirements*.lock", "uv.lock", "pylock*.toml", "package-lock.json", ".pre-commit-config.yaml")
_DOCKERFILES = ("Dockerfile", "*.Dockerfile", "Dockerfile.*")


def primary_key(settings: Settings, platform: str, files: Mapping[str, bytes]) -> str:
    """Return the key of the project's caches for a CI's cache step, with the `files` of `read`."""
    images = image_names.base_images(settings, settings.made_images)
    return cache_key.key(platform, images, files)


def read(settings: Settings) -> dict[str, bytes]:
    """Return the content of the project's lock files and Dockerfiles, by path in the project. Raises NoPermission."""
    project = settings.project
    folders = dict.fromkeys((project, project / settings.app, project / settings.app / "frontend"))
    docker_folder = project / BAKE_FILE.parent
    paths = [path for folder in folders for lock in _LOCKS for path in folder.glob(lock)]
    paths += [path for pattern in ("*.lock", *_DOCKERFILES) for path in docker_folder.glob(pattern)]
    paths += [path for pattern in _DOCKERFILES for path in project.glob(pattern)]
    try:
        files = (path for path in paths if path.is_file() and path.suffix != ".dockerignore")
        return {str(path.relative_to(project)): path.read_bytes() for path in files}
    except OSError as error:
        raise NoPermission(f"{error.filename} cannot be read: {error.strerror}", "Make it yours") from error
