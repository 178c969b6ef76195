"""Judge what `probe` collected: storage, directories, engine and plugins, platforms, registries, the project."""

import shlex
import stat
from collections.abc import Iterator, Mapping

from goldi_tasks.client import registry_errors
from goldi_tasks.client.system_info import BUILDER, Docker
from goldi_tasks.engine import platforms
from goldi_tasks.errors import NoPermission
from goldi_tasks.maintenance.doctor.facts import Answers, Folder, Root, Space
from goldi_tasks.maintenance.doctor.finding import Finding, Fix
from goldi_tasks.paths import TAG_FILE
from goldi_tasks.units import format_size

# The oldest versions that are tested.
ENGINE, BUILDX, COMPOSE = (23,), (0, 13), (2, 20)
_REMEDY = "Remove it, or choose another root with GOLDI_CACHE_ROOT"
# How many paths of a list are printed.
SHOWN = 3
HUB = "registry-1.docker.io"
# File systems that other machines write to, or whose locks are slow or missing.
NETWORK = (
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "ceph", "glusterfs", "lustre", "afs", "gpfs"),
    *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse", "fuse.grpcfuse"),
    *("fakeowner", "vboxsf", "drvfs", "prl_fs", "fuse.prl_fsd", "fuse.vmhgfs-fuse"),
)
# Bytes: a cold build of a small project takes 1 GB, the caches of a project take a few GB.
LITTLE, SCARCE = 5 * 10**9, 10**9
_ANOTHER = "Set GOLDI_CACHE_ROOT or `cache-root` to a directory on"


def check_engine(answers: Answers) -> Iterator[Finding]:
    """Yield what is missing or too old, whether caches can be exported, and peculiarities of the engine."""
    if answers.problem:
        name = "engine-permission" if isinstance(answers.problem, NoPermission) else "engine-missing"
        yield Finding(name, "error", answers.problem.problem, answers.problem.remedy)
    for question in answers.late:
        what = f"no answer in time from {question}"
        yield Finding(
            "no-answer", "warning", what, "Run it again; if this repeats, check whether the engine is busy or hangs"
        )
    if answers.start_error:
        what = f"the builder {answers.builder} cannot be started: {answers.start_error}"
        yield Finding("builder-dead", "error", what, "Run `inv build.builder --reset`: every build fails until then")
    if answers.docker:
        yield from _versions(answers.docker, answers.compose)
        yield from _exports(answers.docker)
        yield from _allow(answers.docker, answers)
        yield from _users(answers.docker, answers)


def _versions(docker: Docker, compose: tuple[int, ...] | None) -> Iterator[Finding]:
    if docker.engine and docker.engine < ENGINE:
        yield _old("engine", docker.engine, ENGINE, "error")
    if not docker.buildx:
        yield Finding("buildx-missing", "error", "docker has no buildx plugin", "Install docker-buildx")
    elif docker.buildx < BUILDX:
        yield _old("buildx", docker.buildx, BUILDX, "error")
    if compose == ():
        what = "docker has no compose plugin: the stack and the dev container cannot start"
        yield Finding("compose-missing", "warning", what, "Install docker-compose")
    elif compose and compose < COMPOSE:
        yield _old("compose", compose, COMPOSE, "warning")


def _old(name: str, version: tuple[int, ...], oldest: tuple[int, ...], severity: str) -> Finding:
    installed, needed = (".".join(map(str, numbers)) for numbers in (version, oldest))
    what = f"{name} {installed} is too old: {needed} is the oldest tested version"
    return Finding(
        f"{name}-old", "error" if severity == "error" else "warning", what, f"Install {name} {needed} or newer"
    )


def _exports(docker: Docker) -> Iterator[Finding]:
    if docker.exports_local:
        return
    what = f"the {docker.driver} driver exports no local cache with the {docker.store} image store"
    if BUILDER in docker.builders:
        yield Finding("export-elsewhere", "note", f"{what}: builds use {BUILDER}, which does")
    else:
        remedy = "Enable the containerd image store, or create a builder that can: `inv build.builder --create`"
        yield Finding("export-inline", "warning", f"{what}: the build cache stays in the engine", remedy)


def _allow(docker: Docker, answers: Answers) -> Iterator[Finding]:
    """Yield a note about buildx versions that ask for `--allow=fs`; our tasks pass it."""
    if docker.asks_for_paths and answers.roots:
        flags = " ".join(f"--allow=fs={root.path}" for root in answers.roots)
        what = "plain `docker buildx bake` of this version asks before it writes outside the project"
        yield Finding("bake-allow", "note", what, f"Add `{flags}` to that command; goldi tasks do so")


def _users(docker: Docker, answers: Answers) -> Iterator[Finding]:
    options = " ".join(answers.info.get("SecurityOptions") or [])
    if docker.rootless:
        yield Finding("engine-rootless", "note", "the engine is rootless: root in its containers is your own user")
    elif "name=userns" in options:
        what = "the engine remaps user ids: files that containers write to mounted caches belong to unknown users"
        yield Finding("engine-userns", "warning", what, "Disable userns-remap, or use a rootless engine")
    if answers.selinux and "name=selinux" in options:
        what = "SELinux is enforcing: containers can use a mounted directory only with the label container_file_t"
        commands = " && ".join(f"sudo chcon -R -t container_file_t '{root.path}'" for root in answers.roots)
        yield Finding("selinux", "warning", what, f"Run `{commands}` once the directories exist, never on /tmp itself")


def check_directories(answers: Answers) -> Iterator[Finding]:
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


def check_platforms(answers: Answers) -> Iterator[Finding]:
    """Yield emulation handlers that do not work in containers, and a note if the builder runs one platform only."""
    for handler in answers.handlers:
        if handler.enabled and "F" not in handler.flags:
            what = f"the handler {handler.name} lacks the flag F: containers cannot find its interpreter"
            yield Finding("binfmt-flag", "warning", what, f"{platforms.SET_UP}, which registers another beside it")
    supported = platforms.runs(answers.inspect)
    if len(supported) == 1:
        what = f"the builder runs {supported[0]} only: `--platform` with another needs emulation"
        yield Finding(
            "binfmt", "note", what, f"If you need others: {platforms.SET_UP[0].lower()}{platforms.SET_UP[1:]}"
        )


def check_project(answers: Answers) -> Iterator[Finding]:
    """Yield what no longer agrees with the settings."""
    if answers.env is not None:
        yield from _env(answers.env, answers.expected_env)
    if answers.settings_builder:
        what = f"the settings choose the builder {answers.settings_builder}: the current one was checked instead"
        yield Finding("builder-elsewhere", "note", what, "Run `inv build.builder` to check the other")
    for name, device in sorted(answers.volumes.items()):
        if device not in answers.cache_paths:
            what = f"the volume {name} still uses {device}, which is no cache directory of the settings"
            remedy = "Run `inv compose.down` and `inv compose.up`, unless the compose file names it; no file is lost"
            yield Finding("volume-stale", "note", what, remedy)


def _env(env: Mapping[str, str], settings: Mapping[str, str]) -> Iterator[Finding]:
    if "GOLDI_CACHE_ROOT" not in env:
        what = "the project's .env does not say where the caches are: plain `docker compose` uses its default"
        yield Finding("env-missing", "note", what, "Run `inv cache.setup`", Fix("env"))
        return
    for name in settings:
        if env.get(name) != settings[name]:
            what = f"the project's .env has {name}={env.get(name, '')}, but it should be {settings[name]}"
            yield Finding("env-stale", "warning", what, "Run `inv cache.setup`", Fix("env"))


def check_registries(answers: Answers) -> Iterator[Finding]:
    """Yield registries that do not answer, and mirrors that the engine asks first."""
    for registry in answers.registries:
        if registry.answers:
            continue
        if registry.image:
            what = f"{registry.host} does not answer, and {registry.image} is not on this machine"
            remedy = "Run `inv engine.up`, which builds base images without a registry, or choose images of a mirror"
            yield Finding("registry", "warning", what, remedy)
        else:
            what = f"{registry.host} does not answer: newer base images are not available"
            yield Finding("registry", "note", what, "Builds use the images on this machine")
    mirrors = (answers.info.get("RegistryConfig") or {}).get("Mirrors") or []
    if mirrors:
        yield Finding("registry-mirrors", "note", f"the engine asks {', '.join(mirrors)} before {HUB}")


def host(image: str) -> str:
    """Return the registry of an image: the first part of its name if that can be a host, else Docker Hub."""
    registry = registry_errors.host(image)
    return HUB if registry in ("docker.io", "index.docker.io") else registry


def check_storage(answers: Answers) -> Iterator[Finding]:
    """Yield what is wrong with the file system of each cache root, and with that of the engine's data."""
    for root in answers.roots:
        yield from _kind(root)
        if root.space:
            remedy = f"Free some space, see `inv cache.status`, or {_ANOTHER[0].lower()}{_ANOTHER[1:]} another disk"
            yield from _space("root", str(root.path), root.space, remedy)
    for path in answers.invisible_roots:
        remedy = "Share it with the machine that the engine runs on, or set GOLDI_CACHE_ROOT to a shared directory"
        yield Finding("root-not-seen", "error", f"the engine does not see {path}", remedy)
    if answers.data and not any(root.space == answers.data for root in answers.roots):
        remedy = "Remove unused images and build cache: `docker system df` shows their size"
        yield from _space("engine", "the engine's data", answers.data, remedy)


def _kind(root: Root) -> Iterator[Finding]:
    if root.kind in ("tmpfs", "ramfs"):
        what = f"{root.path} is a {root.kind}: caches there use memory and are lost at the next boot"
        yield Finding("root-tmpfs", "warning", what, f"{_ANOTHER} a disk")
    elif root.kind in NETWORK:
        what = f"{root.path} is on a network or shared file system ({root.kind}): slow, and file locks may fail"
        yield Finding("root-network", "warning", what, f"{_ANOTHER} a local disk")


def _space(prefix: str, place: str, space: Space, remedy: str) -> Iterator[Finding]:
    if space.read_only:
        yield Finding(
            f"{prefix}-read-only", "error", f"the file system of {place} is mounted read-only", "Mount it writable"
        )
    elif space.free < min(LITTLE, space.total // 10):
        severity = "error" if space.free < min(SCARCE, space.total // 50) else "warning"
        what = f"{format_size(space.free)} of {format_size(space.total)} are free under {place}"
        yield Finding(f"{prefix}-space", "error" if severity == "error" else "warning", what, remedy)
    if space.inodes and space.inodes_free < min(100_000, space.inodes // 20):
        what = (
            f"{space.inodes_free} of {space.inodes} inodes are free under {place}: no new files once they are used up"
        )
        yield Finding(f"{prefix}-inodes", "warning", what, remedy)
