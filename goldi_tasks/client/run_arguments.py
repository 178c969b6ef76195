"""How the tools and devcontainer images are run: the project at its own path, the caches mounted, the caller's user.

And how a container that is root clears what one that was root left in a cache, and how a tool prunes its own.
"""

from collections.abc import Sequence
from pathlib import Path

from goldi_tasks.client.system_info import Host
from goldi_tasks.command import Command
from goldi_tasks.paths import CACHES, Cache
from goldi_tasks.settings import Settings

# Docker's own keys begin with Ctrl-P, and hold it back: pdb and shells use that for the line before.
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
    """`docker run` of `argv` in `image`, in the directory `cwd` of the project, as the uid and gid `user`.

    `network` is a file for scripts/online.sh, which starts `argv`: what it says is not in the container's
    configuration, where `docker inspect` would show it.
    """
    return Command(
        (
            "docker",
            "run",
            "--rm",
            "--init",
            *terminal(host),
            *("--user", "{}:{}".format(*user)),
            # A home that everybody may write to.
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
    """`docker run` of a Python program from standard input, as root, that sees `folder` at /cache and nothing else.

    Its `argv` begins with /cache. The two capabilities are what it needs among other users' files.
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
    """`docker run` of a tool's own command over its cache in `folder`; it sees that and `files`, and no network."""
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
    """Remove a container, running or not, there or not."""
    return Command(("docker", "rm", "--force", name))


def mounts(settings: Settings) -> list[tuple[str, Path, str]]:
    """Name, directory on the host and mount point of every cache that a container sees."""
    app = settings.project / settings.app
    return [
        (cache.name, settings.roots.path(cache, settings.key), str(app / cache.mount))
        for cache in CACHES
        if cache.mount is not None and (cache.mount.is_absolute() or settings.frontend)
    ]


def terminal(host: Host) -> tuple[str, ...]:
    """Input always; a terminal where the caller has one."""
    return ("--interactive", "--tty", "--detach-keys", DETACH) if host.tty else ("--interactive",)


def secrets(settings: Settings, network: Path) -> tuple[str, ...]:
    """What scripts/online.sh reads, where a build step has it."""
    found = {"build_env": network} | ({"ca_bundle": Path(settings.ca_bundle)} if settings.ca_bundle else {})
    return tuple(part for name, file in found.items() for part in bind(file, f"/run/secrets/{name}", "readonly"))


def bind(source: Path, target: str, *options: str) -> tuple[str, ...]:
    """A bind mount for any path: a field of the CSV that docker reads is quoted as a whole."""
    fields = ("type=bind", f"source={source}", f"target={target}", *options)
    return ("--mount", ",".join('"' + field.replace('"', '""') + '"' for field in fields))
