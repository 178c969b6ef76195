"""Make the command lines of `docker buildx bake`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from goldi_tasks import paths
from goldi_tasks.bake import compression
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.bake.remote_options import NOTHING, RemoteOptions
from goldi_tasks.client.system_info import BUILDER, Docker
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
            *builder_flags(docker),
            "bake",
            "--file",
            str(settings.bake_file),
            *allow_flags(settings, docker),
            *cache_flags(docker, request, bool(remote.cache_to)),
            *_set_flags(remote.sets),
            *output_flags(docker, request, targets),
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
    argv = ("docker", "buildx", *builder_flags(docker), "bake", "--file", str(settings.bake_file))
    only = ("--set", "*.output=type=cacheonly")
    return Command(
        (
            *argv,
            *allow_flags(settings, docker),
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


def variables(settings: Settings, request: BuildRequest, images: Mapping[str, str]) -> dict[str, str]:
    """Return a value for every variable of the bake file, with `images` for those that name base images.

    All are set: an environment variable with the name of an unset one would override the bake file without notice.
    """
    return {
        "GOLDI_CACHE_ROOT": str(settings.cache_root),
        **{cache.root_variable: str(settings.roots.of(cache)) for cache in map(paths.build_cache, paths.TARGETS)},
        "GOLDI_PROJECT_KEY": settings.key,
        "GOLDI_PLATFORM_KEY": paths.platform_key(request.platforms),
        "GOLDI_PLATFORMS": ",".join(request.platforms),
        "GOLDI_APP": settings.app,
        "GOLDI_FRONTEND": "npm" if settings.frontend else "none",
        "GOLDI_IMAGE": (request.push and settings.pushed) or settings.image,
        "GOLDI_INSTALLER": settings.installer,
        "GOLDI_SMOKE_TEST": "1" if settings.smoke_test else "0",
        "GOLDI_CA_BUNDLE": settings.ca_bundle,
        **images,
    }


def builder_flags(docker: Docker) -> tuple[str, ...]:
    """Return the flag that names the builder; nothing for the current one.

    On the classic image store, which exports no local cache, the guide's own builder is chosen if it exists.
    """
    if docker.builder:
        return ("--builder", docker.builder)
    return ("--builder", docker.container) if docker.container and docker.driver == "docker" else ()


def output_flags(docker: Docker, request: BuildRequest, targets: tuple[str, ...]) -> tuple[str, ...]:
    """Return the flags for the output of a build and for attestations."""
    # Only pushed images get a provenance attestation: in a local image it would change the id on every build.
    sbom = (f"--sbom=generator={request.scanner}",) if request.scanner else ()
    provenance = ("--provenance=mode=max", *sbom) if request.push else ()
    has_own_output = request.outputs or any(".output" in text.partition("=")[0] for text in request.sets)
    if compression.is_supported(docker) and not has_own_output:
        # Instead of --push: with an `output` that is set, --push has no effect (buildx 0.13).
        return (*compression.outputs(targets, request.push), *provenance)
    if request.push:
        return ("--push", *provenance)
    is_container_builder = docker.driver != "docker" or (not docker.builder and bool(builder_flags(docker)))
    return ("--load",) if is_container_builder else ()


def cache_directory(settings: Settings, target: str, platforms: tuple[str, ...]) -> Path:
    """Return the directory of the local cache of `target` for this project and platform set, as in the bake file."""
    return settings.roots.path(paths.build_cache(target), settings.key) / paths.platform_key(platforms)


def keeps_local_cache(docker: Docker) -> bool:
    """Return whether the current builder or the guide's own builder can export a local cache."""
    return docker.exports_local or BUILDER in docker.builders


def is_export_enabled(docker: Docker, request: BuildRequest) -> bool:
    """Return whether to export the local caches of this build: it is possible, and no `--set` changes `cache-to`."""
    return keeps_local_cache(docker) and not request.push and not any(".cache-to" in text for text in request.sets)


def cache_flags(docker: Docker, request: BuildRequest, has_remote_cache: bool = False) -> tuple[str, ...]:
    """Return the flags that turn off those cache exports of the bake file (local, inline) that do not apply here.

    An inline cache is for those who pull the image, and gives it a new id on every build, so only a pushed image gets
    one. A local export is an error where the builder cannot do it (docker/buildx#701). Local and remote caches are
    exported by a separate command after the build.
    """
    if request.push:
        return () if keeps_local_cache(docker) and not has_remote_cache else ("--set", "*.cache-to=type=inline")
    return ("--set", "*.cache-to=")


def allow_flags(settings: Settings, docker: Docker) -> tuple[str, ...]:
    """Return the `--allow` flags for paths outside the project that bake uses.

    Newer releases of buildx ask for them, older ones do not know the flag.
    """
    if not docker.asks_for_paths:
        return ()
    certificates = (f"--allow=fs.read={settings.ca_bundle}",) if settings.ca_bundle else ()
    roots = dict.fromkeys(settings.roots.of(paths.build_cache(target)) for target in paths.TARGETS)
    return (*(f"--allow=fs={root}" for root in roots), *certificates)
