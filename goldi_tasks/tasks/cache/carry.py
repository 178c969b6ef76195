"""Carry the caches to another machine."""

import json as json_
import sys
from collections.abc import Sequence
from pathlib import Path

from invoke.context import Context

from goldi_tasks import process, wiring
from goldi_tasks import settings as project_settings
from goldi_tasks.cache import usage_lock
from goldi_tasks.client import system_info
from goldi_tasks.maintenance import clear_caches
from goldi_tasks.settings.image_names import base_images
from goldi_tasks.tasks._consent import YES, confirm
from goldi_tasks.tasks._task import task


@task(
    iterable=["name"],
    help={
        "file": "Where to; - for standard output. An archive of this project is replaced, other files are asked about.",
        "name": "A cache by its name; may be repeated. Without it those that help a build and a check elsewhere.",
        "mounts": "Also the builder's cache mounts, of every Dockerfile of the project.",
        "project": "Only what this project has in caches that are kept apart by project.",
        "yes": YES,
        "json": "Print what came of it for scripts.",
    },
)
def save(
    c: Context,
    file: str,
    name: Sequence[str] | None = None,
    mounts: bool = True,
    project: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Save caches and the builder's cache mounts to one file, from which cache.restore warms another machine."""
    from goldi_tasks.maintenance.archive import archive_report, overwrite, save_archive

    settings, names = project_settings.load(Path.cwd()), tuple(name or ())
    caches = clear_caches.chosen(names, every=False, project=project) if names else save_archive.usual(project)
    if process.is_dry():
        print(f"would save to {file}: {', '.join(cache.name for cache in caches)}{' and cache mounts' * mounts}")
        return
    confirm(overwrite.find_loss(file, settings.key), yes, "name another file")
    builder = wiring.mounts(settings) if mounts else None
    with usage_lock.at_work():
        found = save_archive.save(settings, caches, system_info.host().platform, builder, file)
    lines = [json_.dumps(archive_report.saved_json(found), indent=2)] if json else archive_report.saved(found)
    for line in lines:
        print(line, file=sys.stderr if file == save_archive.STDOUT else sys.stdout)


@task(
    iterable=["name"],
    help={
        "file": "A file of cache.save. It is as trustworthy as who wrote it.",
        "name": "Of it only this cache; may be repeated.",
        "mounts": "Also the builder's cache mounts.",
        "json": "Print what came of it for scripts.",
    },
)
def restore(c: Context, file: str, name: Sequence[str] | None = None, mounts: bool = True, json: bool = False) -> None:
    """Replace caches by those in a file of cache.save, once all of it was found to be what it says."""
    from goldi_tasks.maintenance.archive import archive_report, restore_archive

    settings, names = project_settings.load(Path.cwd()), tuple(name or ())
    if names:
        clear_caches.chosen(names, every=False)  # raises for a name that there is not
    if process.is_dry():
        print(f"would restore {', '.join(names) or 'all caches'} from {file}")
        return
    builder = wiring.mounts(settings) if mounts else None
    with usage_lock.at_work():
        found = restore_archive.restore(settings, names, system_info.host().platform, builder, Path(file))
    lines = (
        [json_.dumps(archive_report.restored_json(found, file), indent=2)]
        if json
        else archive_report.restored(found, file)
    )
    for line in lines:
        print(line)


@task(help={"json": "Print it with what older keys begin with, for scripts."})
def key(c: Context, json: bool = False) -> None:
    """Print a key for a CI's cache step, from the project's lock files and Dockerfile."""
    from goldi_tasks.maintenance.archive import cache_key, lock_files

    settings, platform = project_settings.load(Path.cwd()), system_info.host().platform
    files = lock_files.read(settings)
    found = cache_key.key(platform, base_images(settings, settings.made_images), files)
    if json:
        told = {"key": found, "restore_keys": [cache_key.prefix(platform)], "files": sorted(files)}
        print(json_.dumps(told, indent=2))
    else:
        print(found)
