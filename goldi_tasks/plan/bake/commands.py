"""The command lines of `docker buildx bake`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from goldi_tasks.command import Command
from goldi_tasks.plan import packing
from goldi_tasks.plan.bake import caches, output
from goldi_tasks.plan.bake.wanted import Wanted
from goldi_tasks.probe import Docker
from goldi_tasks.settings import Settings


def build(
    settings: Settings,
    docker: Docker,
    wanted: Wanted,
    targets: tuple[str, ...],
    metadata: Path,
    env: Mapping[str, str],
    secrets: Mapping[str, str],
) -> Command:
    """The bake command for `wanted`, which stands for `targets`; run in the project's directory.

    buildx writes what came of it to the file `metadata`.
    """
    return Command(
        (
            "docker",
            "buildx",
            *output.builder(docker),
            "bake",
            "--file",
            str(settings.bake_file),
            *caches.allowed(settings, docker),
            *caches.flags(docker, wanted),
            *output.flags(docker, wanted, targets),
            *_flags(wanted),
            "--metadata-file",
            str(metadata),
            *wanted.targets,
        ),
        env=env,
        secrets=secrets,
    )


def keep(
    settings: Settings,
    docker: Docker,
    wanted: Wanted,
    places: Mapping[str, Path],
    env: Mapping[str, str],
    secrets: Mapping[str, str],
) -> Command:
    """The bake command that exports what `build` has built to the `places` of targets, and nothing else.

    It stands by itself since an export costs more than the steps of a small change do.
    """
    sets = tuple(text for text in wanted.sets if ".no-cache" not in text.partition("=")[0])
    again = replace(wanted, no_cache=False, pull=False, sets=sets)
    # From buildx 0.35 (BuildKit's `reset`) what the index does not lead to is removed at once.
    local = "type=local,mode=max" + (",reset=true" if docker.buildx >= (0, 35) else "")
    local += f",{packing.STAYS}" if packing.chosen(docker) else ""
    exports = [
        part for target, path in places.items() for part in ("--set", f'{target}.cache-to={local},"dest={path}"')
    ]
    argv = ("docker", "buildx", *output.builder(docker), "bake", "--file", str(settings.bake_file))
    only = ("--set", "*.output=type=cacheonly")
    return Command(
        (*argv, *caches.allowed(settings, docker), *_flags(again), *exports, *only, *wanted.targets),
        env=env,
        secrets=secrets,
    )


def alone(command: Command) -> Command:
    """A bake command of `build` that takes nothing from caches outside of the builder."""
    before, after = command.argv[: command.argv.index("--file")], command.argv[command.argv.index("--file") :]
    return replace(command, argv=(*before, "--set", "*.cache-from=", *after))


def anew(command: Command) -> Command:
    """The same, with nothing from the builder's own cache; cache mounts stay."""
    end = command.argv.index("--file")
    return replace(command, argv=(*command.argv[:end], "--no-cache", *command.argv[end:]))


def show(settings: Settings, targets: tuple[str, ...], env: Mapping[str, str]) -> Command:
    """The command that prints what bake makes of the file; no engine is needed."""
    return Command(("docker", "buildx", "bake", "--file", str(settings.bake_file), "--print", *targets), env=env)


def _flags(wanted: Wanted) -> tuple[str, ...]:
    return (
        *(("--no-cache",) if wanted.no_cache else ()),
        *(("--pull",) if wanted.pull else ()),
        *(part for value in wanted.sets for part in ("--set", value)),
        "--progress",
        wanted.progress,
    )
