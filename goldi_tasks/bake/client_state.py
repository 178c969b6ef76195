"""Digest the client's configuration, which `bake --print` does not show, and inspect the engine's images."""

import hashlib
import json
import re
import socket
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed, NoEngine

_VARIABLE = re.compile(r"(?:BUILDX|BUILDKIT|EXPERIMENTAL_BUILDKIT|DOCKER)_\w+|SOURCE_DATE_EPOCH")
# With one of these buildx writes labels or attestations from git into the image.
_GIT_VARIABLES = ("BUILDX_GIT_LABELS", "BUILDX_GIT_INFO", "BUILDX_GIT_CHECK_DIRTY")
# buildx's files about builders; its other files change with each build.
_BUILDER_FILES = ("current", "defaults/*", "instances/*", "buildkitd*.toml")
_PLUGIN_DIRECTORIES = ("/usr/local/lib", "/usr/local/libexec", "/usr/lib", "/usr/libexec")
# Seconds to wait for the answer of an engine on this machine.
_TIMEOUT = 5.0


@dataclass(frozen=True)
class EngineImage:
    """An image of the engine: its id, the names of its environment variables, whether it `has_onbuild` instructions.

    `digests` are the digests under which a builder's log may name it.
    """

    id: str
    digests: frozenset[str] = frozenset()
    variables: tuple[str, ...] = ()
    has_onbuild: bool = False


def image_id(name: str) -> str:
    """Return the id of the image `name`. Raises NoEngine if the engine does not have it."""
    try:
        return process.capture(Command(("docker", "image", "inspect", "--format", "{{.Id}}", name))).strip()
    except CommandFailed as error:
        problem = f"the engine that runs containers has no image {name}"
        raise NoEngine(problem, "Let builds load their images: remove `output` from the bake file") from error


def digest(environ: Mapping[str, str], project: Path) -> str:
    """Return a digest of the variables and files of docker and buildx, and of git's state if buildx records that."""
    variables = {name: value for name, value in environ.items() if _VARIABLE.fullmatch(name)}
    files = [(str(path), content) for path in _config_files(environ) if (content := _read_config(path))]
    plugins = [(str(path), _stat(path)) for path in _plugins(environ)]
    git = _git(project) if any(environ.get(name) for name in _GIT_VARIABLES) else ""
    text = json.dumps([sorted(variables.items()), files, plugins, git])
    return hashlib.sha256(text.encode()).hexdigest()


def endpoint() -> str:
    """Return the address of the engine that docker talks to. Raises CommandFailed."""
    template = "{{.Endpoints.docker.Host}}"
    return process.capture(Command(("docker", "context", "inspect", "--format", template))).strip()


def images(names: Collection[str], address: str) -> dict[str, EngineImage]:
    """Return the images `names` that the engine at `address` has, by name."""
    if address.startswith("unix://"):
        try:
            rows = {name: _inspect_by_socket(address.removeprefix("unix://"), name) for name in names}
        except (OSError, ValueError):
            return {}
    else:
        rows = {name: _inspect(name) for name in names}
    return {name: _parse_image(row) for name, row in rows.items() if row}


def _parse_image(row: Mapping[str, Any]) -> EngineImage:
    config = row.get("Config") or {}
    variables = tuple(sorted(variable.partition("=")[0] for variable in config.get("Env") or ()))
    digests = frozenset({row["Id"], *(name.rpartition("@")[2] for name in row.get("RepoDigests") or ())})
    return EngineImage(row["Id"], digests, variables, bool(config.get("OnBuild")))


def _inspect(name: str) -> Mapping[str, Any]:
    try:
        return dict(json.loads(process.capture(Command(("docker", "image", "inspect", name))))[0])
    except (CommandFailed, ValueError, LookupError):
        return {}


def _inspect_by_socket(path: str, name: str) -> Mapping[str, Any]:
    """Inspect an image through the engine's socket: 3 ms; docker's client takes 60, and importing its library 150.

    Raises OSError, ValueError.
    """
    with socket.socket(socket.AF_UNIX) as engine:
        engine.settimeout(_TIMEOUT)
        engine.connect(path)
        engine.sendall(f"GET /images/{quote(name)}/json HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        head, _, body = b"".join(iter(lambda: engine.recv(65536), b"")).partition(b"\r\n\r\n")
    return dict(json.loads(body)) if head.split()[1:2] == [b"200"] else {}


def _config_files(environ: Mapping[str, str]) -> Iterator[Path]:
    folder = _docker_config(environ)
    yield folder / "config.json"
    yield from sorted((folder / "contexts/meta").glob("*/meta.json"))
    buildx = Path(environ.get("BUILDX_CONFIG") or folder / "buildx")
    for pattern in _BUILDER_FILES:
        yield from sorted(buildx.glob(pattern))


def _plugins(environ: Mapping[str, str]) -> Iterator[Path]:
    yield _docker_config(environ) / "cli-plugins/docker-buildx"
    for folder in _PLUGIN_DIRECTORIES:
        yield Path(folder, "docker/cli-plugins/docker-buildx")


def _docker_config(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def _read_config(path: Path) -> str:
    try:
        text = path.read_bytes().decode(errors="surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        return str(error)
    try:
        # Logins do not change an image.
        rows = {key: value for key, value in json.loads(text).items() if key != "auths"}
    except (ValueError, AttributeError):
        return text
    # buildx writes `current` at its first run, also if no builder is chosen: that is no change.
    return "" if path.name == "current" and not rows.get("Name") else json.dumps(rows, sort_keys=True)


def _stat(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _git(project: Path) -> str:
    """Return git's commit, branch, changed files and remotes of `project`, or the error of git."""
    # With --no-optional-locks git does not write its index, which may be in the context.
    commands = (
        ("--no-optional-locks", "status", "--porcelain=v2", "--branch"),
        ("config", "--get-regexp", r"^remote\."),
    )
    outputs = []
    for arguments in commands:
        try:
            outputs.append(process.capture(Command(("git", "-C", str(project), *arguments), {"LC_ALL": "C"})))
        except CommandFailed as error:
            outputs.append(error.problem)
    return "\0".join(outputs)
