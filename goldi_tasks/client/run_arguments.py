"""Build the `docker run` commands of tools and devcontainer images: project at its own path, caches, the caller's user.

Two more commands work on a cache directory: as root to delete files of root, and with a tool that prunes its own cache.
"""

from collections.abc import Sequence
from pathlib import Path

from goldi_tasks.client.system_info import Host
from goldi_tasks.command import Command
from goldi_tasks.paths import CACHES, Cache
from goldi_tasks.settings import Settings

# Docker's default keys begin with Ctrl-P and delay it; pdb and shells use it for the previous line.
DETACH = "ctrl-^,ctrl-_"


def run(
    settings: Settings,
    host: Host,
    user: tuple[int, int],
    image: str,
    cwd: Path,
    network: Path,
    argv: tuple[str, ...],
) -> Command:
    """Return `docker run` of `argv` in `image`, in the directory `cwd` of the project, as the uid and gid `user`.

    `network` is a file of variables for scripts/online.sh, which starts `argv`. They are not in the container's
    configuration, where `docker inspect` would show them.
    """
    return Command(
        (
            "docker",
            "run",
            "--rm",
            "--init",
            *terminal(host),
            *("--user", "{}:{}".format(*user)),
            # A home that any user can write to.
            *("--env", "HOME=/tmp"),
            *bind(settings.project, str(settings.project)),
            *(part for _, source, target in mounts(settings) for part in bind(source, target)),
            *secrets(settings, network),
            "--workdir",
            str(cwd),
            image,
            "online",
            *argv,
        )
    )


def as_root(image: str, name: str, folder: Path, argv: tuple[str, ...]) -> Command:
    """Return `docker run` of a Python program on standard input, as root, with only `folder` mounted, at /cache.

    Its arguments are /cache and `argv`. The two capabilities give it access to files of other users.
    """
    return Command(
        (
            *("docker", "run", "--rm", "--interactive", "--name", name, "--pull", "never"),
            *("--user", "0:0", "--entrypoint", "python3", "--network", "none", "--read-only", "--log-driver", "none"),
            *("--cap-drop", "ALL", "--cap-add", "DAC_OVERRIDE", "--cap-add", "FOWNER"),
            *("--security-opt", "no-new-privileges"),
            *bind(folder, "/cache"),
            *(image, "-I", "-", "/cache", *argv),
        )
    )


def tool(
    image: str, name: str, user: str, cache: Cache, folder: Path, files: Sequence[Path], argv: tuple[str, ...]
) -> Command:
    """Return `docker run` of a tool's `argv` on its cache in `folder`; only that and `files` are mounted."""
    target = str(cache.mount)
    return Command(
        (
            *("docker", "run", "--rm", "--name", name, "--pull", "never", "--network", "none", "--log-driver", "none"),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--user", user),
            *("--env", "HOME=/tmp", "--env", f"{cache.variable}={cache.value.format(target)}"),
            *bind(folder, target),
            *(part for file in files for part in bind(file, str(file), "readonly")),
            *("--workdir", "/tmp", "--entrypoint", argv[0], image, *argv[1:]),
        )
    )


def remove(name: str) -> Command:
    """Return the command that removes a container, running or not; it succeeds if there is none."""
    return Command(("docker", "rm", "--force", name))


def mounts(settings: Settings) -> list[tuple[str, Path, str]]:
    """Return name, directory on the host and mount point of every cache that a container gets."""
    app = settings.project / settings.app
    return [
        (cache.name, settings.roots.path(cache, settings.key), str(app / cache.mount))
        for cache in CACHES
        if cache.mount is not None and (cache.mount.is_absolute() or settings.frontend)
    ]


def terminal(host: Host) -> tuple[str, ...]:
    """Return the options for standard input, and for a terminal if the caller has one."""
    return ("--interactive", "--tty", "--detach-keys", DETACH) if host.tty else ("--interactive",)


def secrets(settings: Settings, network: Path) -> tuple[str, ...]:
    """Return the mounts of the files that scripts/online.sh reads, at the paths of a build step's secrets."""
    files = {"build_env": network} | ({"ca_bundle": Path(settings.ca_bundle)} if settings.ca_bundle else {})
    return tuple(part for name, file in files.items() for part in bind(file, f"/run/secrets/{name}", "readonly"))


def bind(source: Path, target: str, *options: str) -> tuple[str, ...]:
    """Return the options of a bind mount; docker reads CSV, so each field is quoted and may be any path."""
    fields = ("type=bind", f"source={source}", f"target={target}", *options)
    return ("--mount", ",".join('"' + field.replace('"', '""') + '"' for field in fields))
