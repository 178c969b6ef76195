"""Check the cache directories: existence, owner, mode, tag; and files of other users in them and in the project."""

import shlex
import stat
from collections.abc import Iterator

from goldi_tasks.maintenance.doctor.facts import Answers, Folder
from goldi_tasks.maintenance.doctor.finding import Finding, Fix
from goldi_tasks.paths import TAG_FILE

_REMEDY = "Remove it, or choose another root with GOLDI_CACHE_ROOT"
# How many paths of a list are printed.
SHOWN = 3


def findings(answers: Answers) -> Iterator[Finding]:
    """Yield what is wrong with each cache directory, then with the files in it and in the project."""
    if missing := [str(folder.path) for folder in answers.folders if folder.mode is None]:
        what = f"missing cache directories: {_join(missing)}"
        yield Finding("folder-missing", "note", what, "Run `inv cache.setup`", Fix("make"))
    for folder in answers.folders:
        if folder.mode is not None:
            yield from _folder(folder, folder.mode, answers.owner)
    for path in answers.unknown:
        what = f"{path} is named like a build cache of goldi but is not a known cache: no task empties it"
        yield Finding("folder-unknown", "note", what, "Remove it yourself if nobody needs it")
    if answers.leftovers:
        paths = _join([str(path) for path in answers.leftovers])
        command = shlex.join(["sudo", "chown", "-hR", str(answers.owner), *map(str, answers.leftovers)])
        what = f"the project contains files of another user: {paths}"
        yield Finding("project-leftovers", "warning", what, f"Run `{command}`, or remove them")


def _folder(folder: Folder, mode: int, owner: int) -> Iterator[Finding]:
    if stat.S_ISLNK(mode):
        yield Finding("folder-link", "error", f"{folder.path} is a symbolic link: it is never used", _REMEDY)
    elif not stat.S_ISDIR(mode):
        yield Finding("folder-no-directory", "error", f"{folder.path} is not a directory", _REMEDY)
    elif folder.uid != owner:
        yield Finding("folder-owner", "error", f"{folder.path} belongs to user {folder.uid}: it is never used", _REMEDY)
    else:
        yield from _own_directory(folder, mode)


def _own_directory(folder: Folder, mode: int) -> Iterator[Finding]:
    fix = Fix("chmod", folder.name) if folder.tagged else None
    chmod = f"Run `chmod 0700 {shlex.quote(str(folder.path))}`"
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        what = f"other users can write to {folder.path}: it is not used, since they could have changed its files"
        yield Finding("folder-mode", "error", what, f"{chmod}, and clear it if you share this machine", fix)
    elif mode & 0o700 != 0o700:
        yield Finding("folder-mode", "error", f"you cannot write to {folder.path}", chmod, fix)
    if not folder.tagged and not folder.empty:
        what = f"{folder.path} has no {TAG_FILE}: builds use it, but `cache.clear` does not empty it"
        remedy = "Remove it yourself, or empty it and run `inv cache.setup`, which tags it"
        yield Finding("folder-untagged", "warning", what, remedy)
    if folder.strangers or folder.unread:
        yield _leftovers(folder)
    if not folder.whole:
        what = f"{folder.path} is too large to search in time: only a part was checked"
        yield Finding("folder-large", "note", what, "`inv cache.status` counts all of its files")


def _leftovers(folder: Folder) -> Finding:
    """Return the finding for files of other users, which containers that run as root leave."""
    what = f"{folder.path} has files of another user: {_join([*folder.strangers, *folder.unread])}"
    if not folder.tagged:
        remedy = f"Run `{shlex.join(['sudo', 'chown', '-hR', str(folder.uid), str(folder.path)])}`"
        return Finding("folder-leftovers", "warning", what, remedy)
    remedy = f"Clear it with `inv cache.clear --name {folder.name}`, or remove only those files"
    return Finding("folder-leftovers", "warning", what, remedy, Fix("remove", folder.name))


def _join(names: list[str]) -> str:
    names = sorted(set(names))
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
