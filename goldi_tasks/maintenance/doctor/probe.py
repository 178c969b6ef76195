"""Ask this machine, its engine and the project, all at once, each within a time."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from goldi_tasks import envfile, inside_container, ownership, process
from goldi_tasks.bake.builders import builder_model
from goldi_tasks.cache import file_system
from goldi_tasks.client import system_info
from goldi_tasks.command import Command
from goldi_tasks.compose import compose_arguments
from goldi_tasks.engine import emulation
from goldi_tasks.errors import CommandFailed, GoldiError, NoDocker, NoEngine
from goldi_tasks.maintenance.doctor.collect import LATE, together
from goldi_tasks.maintenance.doctor.facts import Answers, Registry
from goldi_tasks.maintenance.doctor.host_facts import folders, leftovers, roots, space, unknown
from goldi_tasks.maintenance.doctor.registry_findings import HUB, host
from goldi_tasks.paths import CACHES, Roots
from goldi_tasks.settings import Settings
from goldi_tasks.settings.image_names import base_images

# Seconds: for docker, for all of it, for a registry.
PATIENCE, ALL, NEAR = 4.0, 8.0, 1.5
# What .env has to say of the machine, other than of its network.
_MACHINE = ("GOLDI_PROJECT", "GOLDI_PROJECT_KEY", "GOLDI_UID", "GOLDI_GID")


def everything(where: Roots, settings: Settings | None) -> Answers:
    """The answers; `settings` are None outside a project, and then nothing of one is asked."""
    questions: dict[str, Callable[[], Any]] = {
        "the file systems": lambda: roots(where),
        "the cache directories": lambda: folders(where),
        "other directories": lambda: unknown(where),
        "binfmt_misc": emulation.handlers,
        "SELinux": lambda: _text(Path("/sys/fs/selinux/enforce")) == "1",
        "docker": lambda: _docker(where),
    }
    if settings:
        project = settings
        questions["the project"] = lambda: leftovers(project)
        questions["the registries"] = lambda: _registries(project)
        questions["the volumes"] = lambda: _volumes(project)
    said = together(questions, ALL)
    for answer in said.values():
        if isinstance(answer, Exception) and not isinstance(answer, GoldiError | OSError):
            raise answer
    given = {name: answer for name, answer in said.items() if answer is not LATE and not isinstance(answer, Exception)}
    docker = given.get("docker", {})
    late = tuple(name for name, answer in said.items() if answer is LATE) + docker.pop("late", ())
    return Answers(
        owner=ownership.owner()[0],
        roots=given.get("the file systems", ()),
        folders=given.get("the cache directories", ()),
        unknown=given.get("other directories", ()),
        late=late,
        handlers=given.get("binfmt_misc", ()),
        selinux=given.get("SELinux", False),
        registries=given.get("the registries", ()),
        leftovers=given.get("the project", ()),
        volumes=given.get("the volumes", {}),
        **docker,
        **(_project(settings, docker.get("docker")) if settings else {}),
    )


def _docker(where: Roots) -> dict[str, Any]:
    """What the engine and the client's plugins say; `problem` is what kept the rest from being asked."""
    try:
        system_info.client()
    except NoDocker as error:
        return {"problem": error}
    said = together(
        {
            "the engine": lambda: system_info.engine_info(_ask),
            "buildx": lambda: system_info.plugin_version("buildx", _ask),
            "compose": lambda: system_info.plugin_version("compose", _ask),
            "the builders": lambda: system_info.builders(_ask),
            "the builder": lambda: _ask(Command(("docker", "buildx", "inspect"))),
        },
        PATIENCE + 0.5,
    )
    info = said["the engine"]
    if not isinstance(info, dict):
        problem = (
            info
            if isinstance(info, GoldiError)
            else NoEngine("the engine does not answer", "Restart it, or run `inv engine.up`")
        )
        return {"problem": problem, "compose": _or(said["compose"], None)}
    buildx, builders = _or(said["buildx"], ()), _or(said["the builders"], [])
    docker = system_info.put_together(info, buildx, builders)
    name = next((name for name, _, current in builders if current), "default")
    inspect = _or(said["the builder"], "")
    if not docker.exports_local and system_info.BUILDER in docker.builders:
        name, inspect = system_info.BUILDER, _or_fails(Command(("docker", "buildx", "inspect", system_info.BUILDER)))
    late = ("the builder",) if buildx and not inspect else ()
    # The next build would start it too.
    dead = _why_dead(name) if docker.container and inspect and not builder_model.runs(inspect) else ""
    return {
        "info": info,
        "docker": docker,
        "compose": _or(said["compose"], None),
        "data": _data(info),
        "builder": name,
        "inspect": inspect,
        "dead": dead,
        "unseen": tuple(root for root in where.all if not _sees(root)),
        "late": late,
    }


def _why_dead(name: str) -> str:
    """Return why the builder does not start, as docker says it; "" where it starts, or takes longer than we wait."""
    try:
        said = _ask(Command(("docker", "buildx", "inspect", "--bootstrap", name)))
    except CommandFailed as error:
        return "" if error.code == process.LATE else builder_model.boot_failure(error.problem)
    return "" if builder_model.runs(said) else builder_model.boot_failure(said)


def _ask(command: Command) -> str:
    return process.ask(command, PATIENCE)


def _or(answer: Any, otherwise: Any) -> Any:
    return otherwise if answer is LATE or isinstance(answer, Exception) else answer


def _or_fails(command: Command) -> str:
    try:
        return _ask(command)
    except CommandFailed:
        return ""


def _sees(root: Path) -> bool:
    """Whether the engine sees it; what is not there, or may not be written to, is another finding."""
    try:
        return not root.is_dir() or file_system.engine_sees(root)
    except OSError:
        return True


def _data(info: Mapping[str, Any]) -> Any:
    """The file system of the engine's data, if it is on this machine."""
    if not os.environ.get("DOCKER_HOST", "unix://").startswith("unix://"):
        return None
    folder = Path(str(info.get("DockerRootDir") or "/"))
    return space(folder) if folder.exists() else None


def _project(settings: Settings, docker: system_info.Docker | None) -> dict[str, Any]:
    """What .env says and should say, and where the caches of the project are."""
    owner = (0, 0) if docker and docker.rootless else ownership.owner()
    machine = compose_arguments.machine(settings, owner, Path())
    # Inside a container all of it is another.
    names = (
        []
        if inside_container.is_inside()
        else [name for name in (*settings.roots.variables, *_MACHINE) if machine[name]]
    )
    return {
        "env": envfile.read(settings.made_images),
        "wanted": {name: machine[name] for name in names},
        "elsewhere": " ".join(filter(None, (settings.builder_driver, settings.builder_endpoint))),
        "homes": frozenset(str(settings.roots.path(cache, settings.key)) for cache in CACHES),
    }


def _volumes(settings: Settings) -> dict[str, str]:
    """The volumes of the stacks that mount a cache of this project, with the directories they are."""
    names = _ask(
        Command(("docker", "volume", "ls", "--quiet", "--filter", f"label={compose_arguments.PROJECT_LABEL}"))
    ).split()
    if not names:
        return {}
    binds: dict[str, dict[str, str]] = {}
    for volume in json.loads(_ask(Command(("docker", "volume", "inspect", *names)))):
        options = volume.get("Options") or {}
        if options.get("o") == "bind" and "device" in options:
            stack = (volume.get("Labels") or {}).get(compose_arguments.PROJECT_LABEL, "")
            binds.setdefault(stack, {})[volume["Name"]] = options["device"]
    ours = [found for found in binds.values() if any(Path(one).name == settings.key for one in found.values())]
    return {name: device for found in ours for name, device in found.items()}


def _registries(settings: Settings) -> tuple[Registry, ...]:
    """The registries of the base images, and Docker's."""
    images = list(base_images(settings, settings.made_images).values())
    here = together({image: lambda image=image: _is_here(image) for image in images}, PATIENCE + 0.5)  # type: ignore[misc]
    lacking = {host(image): image for image in images if here[image] is False}
    hosts = {host(image) for image in images if host(image) != "localhost"} | {HUB}
    said = together({name: lambda name=name: _reached(name) for name in hosts}, NEAR + 0.5)  # type: ignore[misc]
    return tuple(Registry(name, said[name] is True, lacking.get(name, "")) for name in sorted(hosts))


def _is_here(image: str) -> bool:
    return bool(_or_fails(Command(("docker", "image", "inspect", "--format", "{{.Id}}", image))))


def _reached(name: str) -> bool:
    """Whether a registry answers us, whatever it says; through the proxies that the environment names."""
    # Imported here: 0.05 s.
    import ssl
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    scheme = "http" if name.partition(":")[0] in ("localhost", "127.0.0.1") else "https"
    try:
        with urlopen(f"{scheme}://{name}/v2/", timeout=NEAR):  # noqa: S310 - one of these two
            return True
    except HTTPError:
        return True
    except URLError as error:
        # The engine may trust a certificate that Python does not.
        return isinstance(error.reason, ssl.SSLCertVerificationError)
    except (OSError, ValueError):
        return False


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
