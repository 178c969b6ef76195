"""Create the directories that containers of a project mount."""

from pathlib import Path

from goldi_tasks import atomic, ownership
from goldi_tasks.cache import cache_directories
from goldi_tasks.client import run_arguments
from goldi_tasks.settings import Settings


def create_mount_directories(settings: Settings) -> None:
    """Create the cache directories that containers mount, and the mount points in the project. Raises CacheRefused."""
    for _, directory, mount_point in run_arguments.mounts(settings):
        cache_directories.ensure(settings.roots, directory)
        if Path(mount_point).is_relative_to(settings.project):
            # Otherwise the engine creates the mount point as root.
            atomic.make_directory(Path(mount_point), 0o777, ownership.owner())
