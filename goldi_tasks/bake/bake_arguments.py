"""Make the command lines of `docker buildx bake`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from goldi_tasks.bake import compression, local_cache, output_options
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.bake.remote_options import NOTHING, RemoteOptions
from goldi_tasks.client.system_info import Docker
from goldi_tasks.command import Command
from goldi_tasks.settings import Settings


def build_command(
    settings: Settings,
    docker: Docker,
    request: BuildRequest,
    targets: tuple[str, ...],
    metadata: Path,
    env: Mapping[str, str],
    secrets: Mapping[str, str],
    remote: RemoteOptions = NOTHING,
) -> Command:
    """Return the bake command that builds the `targets` that `request` names; it runs in the project's directory.

    buildx writes its results to the file `metadata`. `remote` holds the overrides for remote caches, tags and labels.
    """
    return Command(
        (
            "docker",
            "buildx",
            *output_options.builder_flags(docker),
            "bake",
            "--file",
            str(settings.bake_file),
            *local_cache.allowed(settings, docker),
            *local_cache.flags(docker, request, bool(remote.cache_to)),
            *_set_flags(remote.sets),
            *output_options.flags(docker, request, targets),
            *_request_flags(request),
            "--metadata-file",
            str(metadata),
            *request.targets,
        ),
        env=env,
        secrets=secrets,
    )


def local_export_command(
    settings: Settings,
    docker: Docker,
    request: BuildRequest,
    directories: Mapping[str, Path],
    env: Mapping[str, str],
    secrets: Mapping[str, str],
) -> Command:
    """Return the bake command that only exports the local caches of a finished build to `directories`, by target.

    It is a command of its own since an export takes longer than the steps of a small change, and is often skipped.
    """
    # From buildx 0.35 on (BuildKit's `reset`) blobs that the index does not reference are removed at once.
    local = "type=local,mode=max" + (",reset=true" if docker.buildx >= (0, 35) else "")
    local += f",{compression.LOCAL_COMPRESSION}" if compression.is_supported(docker) else ""
    exports = tuple(f'{target}.cache-to={local},"dest={path}"' for target, path in directories.items())
    return _export_command(settings, docker, request, exports, env, secrets)


def _export_command(
    settings: Settings,
    docker: Docker,
    request: BuildRequest,
    overrides: tuple[str, ...],
    env: Mapping[str, str],
    secrets: Mapping[str, str],
) -> Command:
    """Return the bake command that builds from the cache, with the values of `--set`, and creates no image."""
    sets = tuple(text for text in request.sets if ".no-cache" not in text.partition("=")[0])
    request = replace(request, no_cache=False, pull=False, sets=sets)
    argv = ("docker", "buildx", *output_options.builder_flags(docker), "bake", "--file", str(settings.bake_file))
    only = ("--set", "*.output=type=cacheonly")
    return Command(
        (
            *argv,
            *local_cache.allowed(settings, docker),
            *_request_flags(request),
            *_set_flags(overrides),
            *only,
            *request.targets,
        ),
        env=env,
        secrets=secrets,
    )


def remote_export_command(
    settings: Settings,
    docker: Docker,
    request: BuildRequest,
    remote: RemoteOptions,
    env: Mapping[str, str],
    secrets: Mapping[str, str],
) -> Command:
    """Return the bake command that only exports the caches of a finished build to a remote store.

    It is a command of its own, so that a failure is only a warning: with `ignore-error` buildx would not report it.
    """
    exports = tuple(f"{target}.cache-to={cache}" for target, cache in remote.cache_to.items())
    return _export_command(settings, docker, request, (*remote.cache_from, *exports), env, secrets)


def without_external_caches(command: Command) -> Command:
    """Return the build command without any cache outside of the builder."""
    # bake adds the `cache-from` of a single target to the one of all targets, so each `--set` with one is removed.
    values = [index for index, argument in enumerate(command.argv) if ".cache-from=" in argument]
    argv = [argument for index, argument in enumerate(command.argv) if index not in values and index + 1 not in values]
    file_flag = argv.index("--file")
    return replace(command, argv=(*argv[:file_flag], "--set", "*.cache-from=", *argv[file_flag:]))


def without_builder_cache(command: Command) -> Command:
    """Return the build command with `--no-cache`: every step is run; cache mounts keep their contents."""
    file_flag = command.argv.index("--file")
    return replace(command, argv=(*command.argv[:file_flag], "--no-cache", *command.argv[file_flag:]))


def bake_print_command(settings: Settings, targets: tuple[str, ...], env: Mapping[str, str]) -> Command:
    """Return the `bake --print` command, which evaluates the bake file; it needs no engine."""
    return Command(("docker", "buildx", "bake", "--file", str(settings.bake_file), "--print", *targets), env=env)


def _set_flags(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part for value in values for part in ("--set", value))


def _request_flags(request: BuildRequest) -> tuple[str, ...]:
    return (
        *(("--no-cache",) if request.no_cache else ()),
        *(("--pull",) if request.pull else ()),
        *_set_flags(request.sets),
        "--progress",
        request.progress,
    )
