"""What `docker buildx bake` is called with, for any buildx from 0.13 and both image stores."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from goldi_tasks import paths
from goldi_tasks.command import Command
from goldi_tasks.errors import NoEngine, UnknownName, did_you_mean
from goldi_tasks.plan import packing
from goldi_tasks.probe import BUILDER, Docker
from goldi_tasks.settings import Settings

PLATFORMS = ("linux/amd64", "linux/arm64")


@dataclass(frozen=True)
class Wanted:
    """A build that somebody asked for: targets or groups by name, and what they said about it.

    `outputs` is whether the bake file says what comes out; `--set` may say it too.
    """

    targets: tuple[str, ...]
    no_cache: bool = False
    sets: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    push: bool = False
    pull: bool = False
    force: bool = False
    keep_cache: bool = False
    progress: str = "auto"
    outputs: bool = False


def members(bake_file: Mapping[str, Mapping[str, Mapping[str, list[str]]]], names: tuple[str, ...]) -> tuple[str, ...]:
    """The targets that `names` stand for. A group may share a target's name; then the name means the group.

    Raises UnknownName with a 'did you mean'.
    """
    groups, targets = bake_file.get("group", {}), public(bake_file)
    found: dict[str, None] = {}
    for name in names:
        if name in groups:
            found |= dict.fromkeys(groups[name].get("targets", ()))
        elif name in targets:
            found[name] = None
        else:
            remedy = did_you_mean(name, (*groups, *targets)).capitalize()
            raise UnknownName(f"no bake target or group '{name}'", remedy)
    return tuple(found)


def public(bake_file: Mapping[str, Mapping[str, object]]) -> tuple[str, ...]:
    """The targets that can be built: a leading `_` marks a base to inherit from."""
    return tuple(name for name in bake_file.get("target", {}) if not name.startswith("_"))


def check(wanted: Wanted, docker: Docker) -> None:
    """Raises UnknownName for a platform that no image is made for, NoEngine for what this engine cannot do."""
    for platform in wanted.platforms:
        if platform not in PLATFORMS:
            raise UnknownName(f"no platform '{platform}'", did_you_mean(platform, PLATFORMS).capitalize())
    if len(wanted.platforms) > 1 and not wanted.push and docker.store != "containerd":
        remedy = "Push it with --push, or enable the containerd image store"
        raise NoEngine("this engine's image store holds one platform at a time", remedy)


def cache_directory(settings: Settings, target: str, platforms: tuple[str, ...]) -> Path:
    """Where the bake file keeps the local cache of `target` for this project and platform set."""
    return settings.roots.path(paths.build_cache(target), settings.key) / paths.platform_key(platforms)


def variables(settings: Settings, wanted: Wanted, images: Mapping[str, str]) -> dict[str, str]:
    """Every variable of the bake file: a variable of the same name in the environment would beat it silently."""
    return {
        "GOLDI_CACHE_ROOT": str(settings.cache_root),
        **{cache.root_variable: str(settings.roots.of(cache)) for cache in map(paths.build_cache, paths.TARGETS)},
        "GOLDI_PROJECT_KEY": settings.key,
        "GOLDI_PLATFORM_KEY": paths.platform_key(wanted.platforms),
        "GOLDI_PLATFORMS": ",".join(wanted.platforms),
        "GOLDI_APP": settings.app,
        "GOLDI_FRONTEND": "npm" if settings.frontend else "none",
        "GOLDI_IMAGE": settings.image,
        "GOLDI_INSTALLER": settings.installer,
        "GOLDI_CA_BUNDLE": settings.ca_bundle,
        **images,
    }


def keeps_local_cache(docker: Docker) -> bool:
    """Whether a builder here can export the local cache: the current one, or the guide's."""
    return docker.exports_local or BUILDER in docker.builders


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
            *builder(docker),
            "bake",
            "--file",
            str(settings.bake_file),
            *allowed(settings, docker),
            *_caches(docker, wanted),
            *_output(docker, wanted, targets),
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
    argv = ("docker", "buildx", *builder(docker), "bake", "--file", str(settings.bake_file))
    only = ("--set", "*.output=type=cacheonly")
    return Command(
        (*argv, *allowed(settings, docker), *_flags(again), *exports, *only, *wanted.targets), env=env, secrets=secrets
    )


def alone(command: Command) -> Command:
    """A bake command of `build` that takes nothing from caches outside of the builder."""
    before, after = command.argv[: command.argv.index("--file")], command.argv[command.argv.index("--file") :]
    return replace(command, argv=(*before, "--set", "*.cache-from=", *after))


def keeps(docker: Docker, wanted: Wanted) -> bool:
    """Whether local caches of this build are to be kept with `keep`: where it works, and nobody has said otherwise."""
    return keeps_local_cache(docker) and not wanted.push and not any(".cache-to" in text for text in wanted.sets)


def anew(command: Command) -> Command:
    """The same, with nothing from the builder's own cache; cache mounts stay."""
    end = command.argv.index("--file")
    return replace(command, argv=(*command.argv[:end], "--no-cache", *command.argv[end:]))


def show(settings: Settings, targets: tuple[str, ...], env: Mapping[str, str]) -> Command:
    """The command that prints what bake makes of the file; no engine is needed."""
    return Command(("docker", "buildx", "bake", "--file", str(settings.bake_file), "--print", *targets), env=env)


def builder(docker: Docker) -> tuple[str, ...]:
    """Which builder builds: the classic image store exports no local cache; a container driver's builder does."""
    return ("--builder", BUILDER) if not docker.exports_local and BUILDER in docker.builders else ()


def allowed(settings: Settings, docker: Docker) -> tuple[str, ...]:
    """Paths outside the project that bake may touch. Older buildx does not know the flag, newer ones insist."""
    if not docker.asks_for_paths:
        return ()
    certificates = (f"--allow=fs.read={settings.ca_bundle}",) if settings.ca_bundle else ()
    roots = dict.fromkeys(settings.roots.of(paths.build_cache(target)) for target in paths.TARGETS)
    return (*(f"--allow=fs={root}" for root in roots), *certificates)


def _caches(docker: Docker, wanted: Wanted) -> tuple[str, ...]:
    """The bake file exports a local and an inline cache; this leaves out what is of no use here.

    An inline cache serves those who pull the image, and gives it a new id on every build, so an image that
    stays gets none. A local export is an error where it cannot be done (docker/buildx#701); elsewhere `keep` does it.
    """
    if wanted.push:
        return () if keeps_local_cache(docker) else ("--set", "*.cache-to=type=inline")
    return ("--set", "*.cache-to=")


def _output(docker: Docker, wanted: Wanted, targets: tuple[str, ...]) -> tuple[str, ...]:
    # What others pull says how it was made; a local image does not, since that changes its id on every build.
    provenance = ("--provenance=mode=max",) if wanted.push else ()
    chosen = wanted.outputs or any(".output" in text.partition("=")[0] for text in wanted.sets)
    if packing.chosen(docker) and not chosen:
        # Not beside --push, which an output of one's own takes the effect of (buildx 0.13).
        return (*packing.outputs(targets, wanted.push), *provenance)
    if wanted.push:
        return ("--push", *provenance)
    contained = docker.driver != "docker" or bool(builder(docker))
    return ("--load",) if contained else ()


def _flags(wanted: Wanted) -> tuple[str, ...]:
    return (
        *(("--no-cache",) if wanted.no_cache else ()),
        *(("--pull",) if wanted.pull else ()),
        *(part for value in wanted.sets for part in ("--set", value)),
        "--progress",
        wanted.progress,
    )
