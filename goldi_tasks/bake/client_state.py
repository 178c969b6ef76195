"""Ask for what decides a build on the client's side and `bake --print` does not show, and for the engine's images."""

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

_VARIABLES = re.compile(r"(?:BUILDX|BUILDKIT|EXPERIMENTAL_BUILDKIT|DOCKER)_\w+|SOURCE_DATE_EPOCH")
# With one of these buildx writes what git says into the image.
_GIT = ("BUILDX_GIT_LABELS", "BUILDX_GIT_INFO", "BUILDX_GIT_CHECK_DIRTY")
# What buildx keeps of its builders; what else lies there changes with each build.
_BUILDERS = ("current", "defaults/*", "instances/*", "buildkitd*.toml")
_PLUGINS = ("/usr/local/lib", "/usr/local/libexec", "/usr/lib", "/usr/libexec")
# Seconds in which an engine on this machine answers.
_PATIENCE = 5.0


@dataclass(frozen=True)
class Image:
    """An image of the engine: its id, and what a build that begins with it gets: variables, instructions (ONBUILD).

    `digests` are the ids that builders may give it.
    """

    id: str
    digests: frozenset[str] = frozenset()
    variables: tuple[str, ...] = ()
    instructs: bool = False


def image_id(name: str) -> str:
    """Return the id of the image `name`. Raises NoEngine if the engine does not have it."""
    try:
        return process.capture(Command(("docker", "image", "inspect", "--format", "{{.Id}}", name))).strip()
    except CommandFailed as error:
        problem = f"the image {name} is not with the engine that runs containers"
        raise NoEngine(problem, "Let builds load their images: remove `output` from the bake file") from error


def digest(environ: Mapping[str, str], project: Path) -> str:
    """Return a digest of docker's and buildx's variables and files, and of git's where buildx writes it into images."""
    variables = {name: value for name, value in environ.items() if _VARIABLES.fullmatch(name)}
    files = [(str(path), content) for path in _files(environ) if (content := _content(path))]
    plugins = [(str(path), _stat(path)) for path in _plugins(environ)]
    git = _git(project) if any(environ.get(name) for name in _GIT) else ""
    bits = json.dumps([sorted(variables.items()), files, plugins, git])
    return hashlib.sha256(bits.encode()).hexdigest()


def endpoint() -> str:
    """Return the address of the engine that docker talks to. Raises CommandFailed."""
    form = "{{.Endpoints.docker.Host}}"
    return process.capture(Command(("docker", "context", "inspect", "--format", form))).strip()


def images(names: Collection[str], address: str) -> dict[str, Image]:
    """Return those of the images `names` that the engine at `address` has."""
    if address.startswith("unix://"):
        try:
            rows = {name: _get(address.removeprefix("unix://"), name) for name in names}
        except (OSError, ValueError):
            return {}
    else:
        rows = {name: _inspect(name) for name in names}
    return {name: _read(row) for name, row in rows.items() if row}


def _read(row: Mapping[str, Any]) -> Image:
    config = row.get("Config") or {}
    variables = tuple(sorted(variable.partition("=")[0] for variable in config.get("Env") or ()))
    digests = frozenset({row["Id"], *(one.rpartition("@")[2] for one in row.get("RepoDigests") or ())})
    return Image(row["Id"], digests, variables, bool(config.get("OnBuild")))


def _inspect(name: str) -> Mapping[str, Any]:
    try:
        return dict(json.loads(process.capture(Command(("docker", "image", "inspect", name))))[0])
    except (CommandFailed, ValueError, LookupError):
        return {}


def _get(path: str, name: str) -> Mapping[str, Any]:
    """Ask the engine at a socket for an image: 3 ms, where docker's client takes 60, and its library 150 to import."""
    with socket.socket(socket.AF_UNIX) as engine:
        engine.settimeout(_PATIENCE)
        engine.connect(path)
        engine.sendall(f"GET /images/{quote(name)}/json HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        head, _, body = b"".join(iter(lambda: engine.recv(65536), b"")).partition(b"\r\n\r\n")
    return dict(json.loads(body)) if head.split()[1:2] == [b"200"] else {}


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    folder = _configuration(environ)
    yield folder / "config.json"
    yield from sorted((folder / "contexts/meta").glob("*/meta.json"))
    buildx = Path(environ.get("BUILDX_CONFIG") or folder / "buildx")
    for pattern in _BUILDERS:
        yield from sorted(buildx.glob(pattern))


def _plugins(environ: Mapping[str, str]) -> Iterator[Path]:
    yield _configuration(environ) / "cli-plugins/docker-buildx"
    for folder in _PLUGINS:
        yield Path(folder, "docker/cli-plugins/docker-buildx")


def _configuration(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def _content(path: Path) -> str:
    try:
        text = path.read_bytes().decode(errors="surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        return str(error)
    try:
        # Who is logged in where decides nothing of an image.
        rows = {key: value for key, value in json.loads(text).items() if key != "auths"}
    except (ValueError, AttributeError):
        return text
    # The first buildx on a machine notes that no builder is chosen.
    return "" if path.name == "current" and not rows.get("Name") else json.dumps(rows, sort_keys=True)


def _stat(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _git(project: Path) -> str:
    """Return what git says of the commit, whether files are changed, and where it comes from."""
    # Without its locks git writes no index, which may be in the context.
    asked = (("--no-optional-locks", "status", "--porcelain=v2", "--branch"), ("config", "--get-regexp", r"^remote\."))
    answers = []
    for words in asked:
        try:
            answers.append(process.capture(Command(("git", "-C", str(project), *words), {"LC_ALL": "C"})))
        except CommandFailed as error:
            answers.append(error.problem)
    return "\0".join(answers)
