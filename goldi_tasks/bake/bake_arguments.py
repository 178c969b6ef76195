"""The command lines of `docker buildx bake`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from goldi_tasks.bake import compression, local_cache, output_options
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.bake.remote_options import NOTHING, Beyond
from goldi_tasks.client.system_info import Docker
from goldi_tasks.command import Command
from goldi_tasks.settings import Settings


def build(
    settings: Settings,
    docker: Docker,
    request: BuildRequest,
    targets: tuple[str, ...],
    metadata: Path,
    env: Mapping[str, str],
    secrets: Mapping[str, str],
    beyond: Beyond = NOTHING,
) -> Command:
    """The bake command for `request`, which stands for `targets`; run in the project's directory.

    buildx writes what came of it to the file `metadata`. What is `beyond` this machine is said of each target.
    """
    return Command(
        (
            "docker",
            "buildx",
            *output_options.builder(docker),
            "bake",
            "--file",
            str(settings.bake_file),
            *local_cache.allowed(settings, docker),
            *local_cache.flags(docker, request, bool(beyond.writes)),
            *_sets(beyond.sets),
            *output_options.flags(docker, request, targets),
            *_flags(request),
            "--metadata-file",
            str(metadata),
            *request.targets,
        ),
        env=env,
        secrets=secrets,
    )


def keep(
    settings: Settings,
    docker: Docker,
    request: BuildRequest,
    places: Mapping[str, Path],
    env: Mapping[str, str],
    secrets: Mapping[str, str],
) -> Command:
    """The bake command that exports what `build` has built to the `places` of targets, and nothing else.

    It stands by itself since an export costs more than the steps of a small change do.
    """
    # From buildx 0.35 (BuildKit's `reset`) what the index does not lead to is removed at once.
    local = "type=local,mode=max" + (",reset=true" if docker.buildx >= (0, 35) else "")
    local += f",{compression.STAYS}" if compression.chosen(docker) else ""
    exports = tuple(f'{target}.cache-to={local},"dest={path}"' for target, path in places.items())
    return _only_caches(settings, docker, request, exports, env, secrets)


def _only_caches(
    settings: Settings,
    docker: Docker,
    request: BuildRequest,
    said: tuple[str, ...],
    env: Mapping[str, str],
    secrets: Mapping[str, str],
) -> Command:
    sets = tuple(text for text in request.sets if ".no-cache" not in text.partition("=")[0])
    again = replace(request, no_cache=False, pull=False, sets=sets)
    argv = ("docker", "buildx", *output_options.builder(docker), "bake", "--file", str(settings.bake_file))
    only = ("--set", "*.output=type=cacheonly")
    return Command(
        (*argv, *local_cache.allowed(settings, docker), *_flags(again), *_sets(said), *only, *request.targets),
        env=env,
        secrets=secrets,
    )


def export(
    settings: Settings,
    docker: Docker,
    request: BuildRequest,
    beyond: Beyond,
    env: Mapping[str, str],
    secrets: Mapping[str, str],
) -> Command:
    """The bake command that exports what `build` has built to where `beyond` says, and nothing else.

    By itself, as `keep`: what fails costs a warning then, without the `ignore-error` that would say nothing of it.
    """
    exports = tuple(f"{target}.cache-to={to}" for target, to in beyond.writes.items())
    return _only_caches(settings, docker, request, (*beyond.reads, *exports), env, secrets)


def alone(command: Command) -> Command:
    """A bake command of `build` that takes nothing from caches outside of the builder."""
    # What is said of one target is added to what is said of all.
    said = [number for number, word in enumerate(command.argv) if ".cache-from=" in word]
    left = [word for number, word in enumerate(command.argv) if number not in said and number + 1 not in said]
    begin = left.index("--file")
    return replace(command, argv=(*left[:begin], "--set", "*.cache-from=", *left[begin:]))


def anew(command: Command) -> Command:
    """The same, with nothing from the builder's own cache; cache mounts stay."""
    end = command.argv.index("--file")
    return replace(command, argv=(*command.argv[:end], "--no-cache", *command.argv[end:]))


def show(settings: Settings, targets: tuple[str, ...], env: Mapping[str, str]) -> Command:
    """The command that prints what bake makes of the file; no engine is needed."""
    return Command(("docker", "buildx", "bake", "--file", str(settings.bake_file), "--print", *targets), env=env)


def _sets(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part for value in values for part in ("--set", value))


def _flags(request: BuildRequest) -> tuple[str, ...]:
    return (
        *(("--no-cache",) if request.no_cache else ()),
        *(("--pull",) if request.pull else ()),
        *_sets(request.sets),
        "--progress",
        request.progress,
    )
