"""The files that say what a project's caches are made from."""

from goldi_tasks.errors import NoPermission
from goldi_tasks.settings import BAKE_FILE, Settings

_LOCKS = ("requirements*.lock", "uv.lock", "pylock*.toml", "package-lock.json", ".pre-commit-config.yaml")
_DOCKERFILES = ("Dockerfile", "*.Dockerfile", "Dockerfile.*")


def read(settings: Settings) -> dict[str, bytes]:
    """Lock files and the Dockerfiles of the project, by their paths in it. Raises NoPermission."""
    project = settings.project
    folders = dict.fromkeys((project, project / settings.app, project / settings.app / "frontend"))
    docker = project / BAKE_FILE.parent
    found = [path for folder in folders for lock in _LOCKS for path in folder.glob(lock)]
    found += [path for pattern in ("*.lock", *_DOCKERFILES) for path in docker.glob(pattern)]
    found += [path for pattern in _DOCKERFILES for path in project.glob(pattern)]
    try:
        files = (path for path in found if path.is_file() and path.suffix != ".dockerignore")
        return {str(path.relative_to(project)): path.read_bytes() for path in files}
    except OSError as error:
        raise NoPermission(f"{error.filename} cannot be read: {error.strerror}", "Make it yours") from error
