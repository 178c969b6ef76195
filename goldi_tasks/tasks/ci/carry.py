"""Carry the caches from one run of a CI to the next: short forms of cache.key, cache.save and cache.restore."""

import json as json_
from pathlib import Path

from invoke.context import Context

from goldi_tasks import process, state, wiring
from goldi_tasks import settings as project
from goldi_tasks.cache import usage_lock
from goldi_tasks.ci import ci_environment
from goldi_tasks.client import system_info
from goldi_tasks.errors import CacheRefused, CommandFailed, NoPermission, NoSpace
from goldi_tasks.maintenance.archive import cache_key
from goldi_tasks.settings import Settings
from goldi_tasks.settings.image_names import base_images
from goldi_tasks.tasks._consent import YES, confirm
from goldi_tasks.tasks._task import task

_FILE = "The archive; by default in RUNNER_TEMP on GitHub, in the project on GitLab, else in the state directory."
_MOUNTS = "Also the builder's cache mounts, which takes several times as long."


@task(name="cache-key", help={"json": "Print it with where the archive lies and what older keys begin with."})
def key(c: Context, json: bool = False) -> None:
    """Print the key of the caches; on GitHub they are the step's outputs, too: key, restore-keys, path."""
    settings = project.load(Path.cwd())
    file = ci_environment.archive(settings.key)
    found = {
        "key": _key(settings),
        "restore-keys": cache_key.prefix(system_info.host().platform),
        "path": str(file.parent),
    }
    ci_environment.output(found)
    print(json_.dumps(found, indent=2) if json else found["key"])


@task(name="cache-restore", help={"file": _FILE, "mounts": _MOUNTS})
def restore(c: Context, file: str = "", mounts: bool = False) -> None:
    """Restore the caches that an earlier run saved; where there are none, or damaged ones, CI goes on without."""
    from goldi_tasks.maintenance.archive import archive_report, restore_archive

    settings = project.load(Path.cwd())
    archive = ci_environment.archive(settings.key, file)
    if process.is_dry():
        print(f"would restore all caches from {archive}")
        return
    if not archive.is_file():
        print(f"no caches to restore: {archive} is not there")
        return
    try:
        builder = wiring.mounts(settings) if mounts else None
        with usage_lock.at_work():
            found = restore_archive.restore(settings, (), system_info.host().platform, builder, archive)
    except (CacheRefused, NoSpace, CommandFailed) as error:
        # What is saved at the end of this run takes its place.
        ci_environment.note(archive, "")
        print(f"{ci_environment.warning()}goldi: going on without caches: {error}", flush=True)
        return
    print("\n".join(archive_report.restored(found, str(archive))))


@task(name="cache-save", help={"file": _FILE, "mounts": _MOUNTS, "yes": f"Write over any file. {YES}"})
def save(c: Context, file: str = "", mounts: bool = False, yes: bool = False) -> None:
    """Save the caches for later runs, unless what was restored has this key already."""
    from goldi_tasks.maintenance.archive import archive_report, overwrite, save_archive

    settings = project.load(Path.cwd())
    archive = ci_environment.archive(settings.key, file)
    if process.is_dry():
        print(f"would save all caches to {archive}")
        return
    wanted = _key(settings)
    if ci_environment.saved_key(archive) == wanted:
        print(f"nothing to save: {archive} has the key {wanted} already")
        return
    confirm(overwrite.find_loss(file, settings.key) if file else "", yes, "name another file")
    try:
        state.make(archive.parent)
    except OSError as error:
        raise NoPermission(f"{archive.parent} cannot be made: {error.strerror}", "Name another file") from error
    builder = wiring.mounts(settings) if mounts else None
    ci_environment.note(archive, "")
    with usage_lock.at_work():
        found = save_archive.save(
            settings, save_archive.usual(False), system_info.host().platform, builder, str(archive)
        )
    ci_environment.note(archive, wanted)
    print("\n".join(archive_report.saved(found)))


def _key(settings: Settings) -> str:
    from goldi_tasks.maintenance.archive import lock_files

    return cache_key.key(
        system_info.host().platform, base_images(settings, settings.made_images), lock_files.read(settings)
    )
