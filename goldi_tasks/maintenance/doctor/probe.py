"""Collect facts about this machine, its engine and the project, in parallel, each within a timeout."""

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
from goldi_tasks.maintenance.doctor import host_facts
from goldi_tasks.maintenance.doctor.collect import TIMED_OUT, call_in_parallel
from goldi_tasks.maintenance.doctor.fact_checks import HUB, host
from goldi_tasks.maintenance.doctor.facts import Answers, Registry, Space
from goldi_tasks.paths import CACHES, Roots
from goldi_tasks.settings import Settings
from goldi_tasks.settings.image_names import base_images

# Timeouts in seconds: of a docker command, of the whole probe, of a registry.
PATIENCE, ALL, NEAR = 4.0, 8.0, 1.5
# Variables of the machine in .env, without those of its network.
_MACHINE_VARIABLES = ("GOLDI_PROJECT", "GOLDI_PROJECT_KEY", "GOLDI_UID", "GOLDI_GID")


def collect_answers(cache_roots: Roots, settings: Settings | None) -> Answers:
    """Return all answers; without `settings`, outside a project, those about the project are missing."""
    questions: dict[str, Callable[[], Any]] = {
        "the file systems": lambda: host_facts.roots(cache_roots),
        "the cache directories": lambda: host_facts.folders(cache_roots),
        "other directories": lambda: host_facts.find_unknown_directories(cache_roots),
        "binfmt_misc": emulation.handlers,
        "SELinux": lambda: _read(Path("/sys/fs/selinux/enforce")) == "1",
        "docker": lambda: _docker(cache_roots),
    }
    if settings:
        project = settings
        questions["the project"] = lambda: host_facts.find_foreign_files(project)
        questions["the registries"] = lambda: _registries(project)
        questions["the volumes"] = lambda: _volumes(project)
    outcomes = call_in_parallel(questions, ALL)
    for answer in outcomes.values():
        if isinstance(answer, Exception) and not isinstance(answer, GoldiError | OSError):
            raise answer
    answers = {
        name: answer
        for name, answer in outcomes.items()
        if answer is not TIMED_OUT and not isinstance(answer, Exception)
    }
    docker = answers.get("docker", {})
    late = tuple(name for name, answer in outcomes.items() if answer is TIMED_OUT) + docker.pop("late", ())
    return Answers(
        owner=ownership.owner()[0],
        roots=answers.get("the file systems", ()),
        folders=answers.get("the cache directories", ()),
        unknown=answers.get("other directories", ()),
        late=late,
        handlers=answers.get("binfmt_misc", ()),
        selinux=answers.get("SELinux", False),
        registries=answers.get("the registries", ()),
        leftovers=answers.get("the project", ()),
        volumes=answers.get("the volumes", {}),
        **docker,
        **(_project(settings, docker.get("docker")) if settings else {}),
    )


def _docker(cache_roots: Roots) -> dict[str, Any]:
    """Return the fields of `Answers` about docker; `problem` and the compose version only if it does not answer."""
    try:
        system_info.client()
    except NoDocker as error:
        return {"problem": error}
    outcomes = call_in_parallel(
        {
            "the engine": lambda: system_info.engine_info(_ask),
            "buildx": lambda: system_info.plugin_version("buildx", _ask),
            "compose": lambda: system_info.plugin_version("compose", _ask),
            "the builders": lambda: system_info.builders(_ask),
            "the builder": lambda: _ask(Command(("docker", "buildx", "inspect"))),
        },
        PATIENCE + 0.5,
    )
    info = outcomes["the engine"]
    if not isinstance(info, dict):
        problem = (
            info
            if isinstance(info, GoldiError)
            else NoEngine("the engine does not answer", "Restart it, or run `inv engine.up`")
        )
        return {"problem": problem, "compose": _answer_or(outcomes["compose"], None)}
    buildx, builders = _answer_or(outcomes["buildx"], ()), _answer_or(outcomes["the builders"], [])
    docker = system_info.parse_system_info(info, buildx, builders)
    name = next((name for name, _, current in builders if current), "default")
    inspect = _answer_or(outcomes["the builder"], "")
    if not docker.exports_local and system_info.BUILDER in docker.builders:
        name = system_info.BUILDER
        inspect = _ask_or_blank(Command(("docker", "buildx", "inspect", name)))
    late = ("the builder",) if buildx and not inspect else ()
    # Starting it is no harm: the next build would start it too.
    start_error = _start(name) if docker.container and inspect and not builder_model.is_running(inspect) else ""
    return {
        "info": info,
        "docker": docker,
        "compose": _answer_or(outcomes["compose"], None),
        "data": _engine_data(info),
        "builder": name,
        "inspect": inspect,
        "start_error": start_error,
        "invisible_roots": tuple(root for root in cache_roots.all if not _is_visible(root)),
        "late": late,
    }


def _start(name: str) -> str:
    """Start the builder; return docker's message if that fails, "" if it starts or takes longer than we wait."""
    try:
        output = _ask(Command(("docker", "buildx", "inspect", "--bootstrap", name)))
    except CommandFailed as error:
        return "" if error.code == process.TIMEOUT_EXIT_CODE else builder_model.boot_failure(error.problem)
    return "" if builder_model.is_running(output) else builder_model.boot_failure(output)


def _ask(command: Command) -> str:
    return process.capture_within(command, PATIENCE)


def _answer_or(answer: Any, default: Any) -> Any:
    return default if answer is TIMED_OUT or isinstance(answer, Exception) else answer


def _ask_or_blank(command: Command) -> str:
    try:
        return _ask(command)
    except CommandFailed:
        return ""


def _is_visible(root: Path) -> bool:
    """Return whether the engine sees `root`; True if it is missing or not writable, which other findings report."""
    try:
        return not root.is_dir() or file_system.engine_sees(root)
    except OSError:
        return True


def _engine_data(info: Mapping[str, Any]) -> Space | None:
    """Return the file system of the engine's data, None if that is not on this machine."""
    if not os.environ.get("DOCKER_HOST", "unix://").startswith("unix://"):
        return None
    folder = Path(str(info.get("DockerRootDir") or "/"))
    return host_facts.space(folder) if folder.exists() else None


def _project(settings: Settings, docker: system_info.Docker | None) -> dict[str, Any]:
    """Return the fields of `Answers` about the project's .env, builder and cache directories."""
    owner = (0, 0) if docker and docker.rootless else ownership.owner()
    machine = compose_arguments.machine(settings, owner, Path())
    # Inside a container all of these have other values.
    names = (
        []
        if inside_container.is_inside()
        else [name for name in (*settings.roots.variables, *_MACHINE_VARIABLES) if machine[name]]
    )
    return {
        "env": envfile.read(settings.made_images),
        "expected_env": {name: machine[name] for name in names},
        "settings_builder": " ".join(filter(None, (settings.builder_driver, settings.builder_endpoint))),
        "cache_paths": frozenset(str(settings.roots.path(cache, settings.key)) for cache in CACHES),
    }


def _volumes(settings: Settings) -> dict[str, str]:
    """Return the bind volumes, with their devices, of all stacks that mount a cache directory of this project."""
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
    own_stacks = [
        devices for devices in binds.values() if any(Path(device).name == settings.key for device in devices.values())
    ]
    return {name: device for devices in own_stacks for name, device in devices.items()}


def _registries(settings: Settings) -> tuple[Registry, ...]:
    """Return the registries of the base images, and Docker Hub."""
    images = list(base_images(settings, settings.made_images).values())
    local = call_in_parallel({image: lambda image=image: _is_local(image) for image in images}, PATIENCE + 0.5)  # type: ignore[misc]
    missing = {host(image): image for image in images if local[image] is False}
    hosts = {host(image) for image in images if host(image) != "localhost"} | {HUB}
    from goldi_tasks.client import registry  # 0.05 s

    questions = {name: lambda name=name: registry.is_reachable(name, NEAR) for name in hosts}
    reachable = call_in_parallel(questions, NEAR + 0.5)
    return tuple(Registry(name, reachable[name] is True, missing.get(name, "")) for name in sorted(hosts))


def _is_local(image: str) -> bool:
    return bool(_ask_or_blank(Command(("docker", "image", "inspect", "--format", "{{.Id}}", image))))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
