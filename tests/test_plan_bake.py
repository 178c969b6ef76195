import csv
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks import settings as project_settings
from goldi_tasks.bake import bake_arguments, build_request, compression
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.client.system_info import BUILDER, Docker
from goldi_tasks.errors import NoEngine, UnknownName
from goldi_tasks.settings import Settings

# Debian 13's engine with the containerd image store.
DEBIAN = Docker(
    engine=(26, 1, 5),
    buildx=(0, 13, 1),
    store="containerd",
    driver="docker",
    builders=("default",),
    rootless=False,
    platform="linux/amd64",
)
NEW = replace(DEBIAN, engine=(28, 5, 2), buildx=(0, 29, 1))
CLASSIC = replace(DEBIAN, store="classic")
CLASSIC_GUIDE = replace(CLASSIC, builders=("default", BUILDER))
CONTAINED = replace(CLASSIC, driver="docker-container", builders=("default", "mine"))

TARGETS = ("production",)
METADATA = Path("/scratch/metadata.json")
IMAGES = {"PYTHON_IMAGE": "mirror/python:3", "NODE_IMAGE": "mirror/node:22"}
BAKE_FILE: dict[str, dict[str, dict[str, list[str]]]] = {
    "group": {"default": {"targets": ["production"]}, "development": {"targets": ["tools", "devcontainer"]}},
    "target": {"_common": {}, "tools": {}, "devcontainer": {}, "production": {}, "runtime": {}},
}
# What only a person or a CI says, as plain bake variables.
LEFT = {
    "GOLDI_TAG",
    "GOLDI_BUILD_PACKAGES",
    "GOLDI_INSTALL_ON",
    "GOLDI_DEV_PACKAGES",
    "GOLDI_VERSION",
    "GOLDI_REVISION",
}


@pytest.fixture
def settings(project: Path) -> Settings:
    return project_settings.load(project, {})


def argv(settings: Settings, docker: Docker, wanted: BuildRequest | None = None) -> tuple[str, ...]:
    wanted = wanted or BuildRequest(("production",))
    return bake_arguments.build_command(settings, docker, wanted, TARGETS, METADATA, env={}, secrets={}).argv


def sets(found: tuple[str, ...]) -> list[str]:
    return [value for flag, value in itertools.pairwise(found) if flag == "--set"]


ZSTD = "compression=zstd,compression-level=1"


def exported(settings: Settings, target: str, packed: str = "") -> str:
    directory = bake_arguments.cache_directory(settings, target, ())
    return f'{target}.cache-to=type=local,mode=max{packed},"dest={directory}"'


def kept(settings: Settings, docker: Docker, wanted: BuildRequest | None = None) -> tuple[str, ...]:
    places = {target: bake_arguments.cache_directory(settings, target, ()) for target in TARGETS}
    return bake_arguments.local_export_command(
        settings, docker, wanted or BuildRequest(("production",)), places, env={}, secrets={}
    ).argv


def test_a_plain_build_on_debians_engine(settings: Settings) -> None:
    assert argv(settings, DEBIAN) == (
        "docker",
        "buildx",
        "bake",
        "--file",
        str(settings.bake_file),
        "--set",
        "*.cache-to=",
        "--set",
        f"production.output=type=image,{ZSTD},oci-mediatypes=true",
        "--progress",
        "auto",
        "--metadata-file",
        "/scratch/metadata.json",
        "production",
    )


def test_environment_and_secrets_go_along(settings: Settings) -> None:
    command = bake_arguments.build_command(
        settings, DEBIAN, BuildRequest(("tools",)), ("tools",), METADATA, env={"A": "1"}, secrets={"B": "2"}
    )
    assert (command.env, command.secrets) == ({"A": "1"}, {"B": "2"})


@pytest.mark.parametrize(
    ("buildx", "asks"), [((0, 13, 1), False), ((0, 19, 3), False), ((0, 20, 0), True), ((1, 0), True)]
)
def test_paths_outside_the_project_are_allowed_where_buildx_asks(
    settings: Settings, buildx: tuple[int, ...], asks: bool
) -> None:
    found = argv(settings, replace(DEBIAN, buildx=buildx))
    assert [word for word in found if word.startswith("--allow")] == [f"--allow=fs={settings.cache_root}"] * asks


def test_every_root_of_a_build_cache_is_allowed(settings: Settings) -> None:
    roots = {".buildx-cache-tools": Path("/fast"), ".buildx-cache-builder": Path("/fast"), "pip-cache": Path("/other")}
    found = argv(replace(settings, cache_roots=roots), replace(DEBIAN, buildx=(0, 20)))
    assert [word for word in found if word.startswith("--allow")] == [
        "--allow=fs=/fast",
        f"--allow=fs={settings.cache_root}",
    ]


def test_the_certificates_may_be_read_too(settings: Settings) -> None:
    settings = replace(settings, ca_bundle="/etc/ssl/ca.pem")
    assert "--allow=fs.read=/etc/ssl/ca.pem" in argv(settings, NEW)
    assert "--allow=fs.read=/etc/ssl/ca.pem" not in argv(settings, DEBIAN)


@pytest.mark.parametrize(
    ("docker", "keeps", "builder", "load"),
    [
        (DEBIAN, True, False, False),
        (NEW, True, False, False),
        (CLASSIC, False, False, False),
        (CLASSIC_GUIDE, True, True, True),
        (CONTAINED, True, False, True),
        (replace(CONTAINED, store="containerd"), True, False, True),
    ],
    ids=["containerd", "new", "classic", "classic with the guide's builder", "container driver", "both"],
)
def test_stores_and_drivers(settings: Settings, docker: Docker, keeps: bool, builder: bool, load: bool) -> None:
    found = argv(settings, docker)
    assert bake_arguments.keeps_local_cache(docker) is keeps
    assert (found[2:4] == ("--builder", BUILDER)) is builder
    assert ("--load" in found) is load
    # No inline cache for what stays here, and no local one where its export would be an error.
    packs = docker.store == "containerd" and not load
    assert sets(found)[:1] == ["*.cache-to="]
    assert bake_arguments.is_export_enabled(docker, BuildRequest(("production",))) is keeps
    if keeps:
        local = exported(settings, "production", f",{ZSTD}" * packs)
        assert sets(kept(settings, docker)) == [local, "*.output=type=cacheonly"]
        assert (kept(settings, docker)[2:4] == ("--builder", BUILDER)) is builder
    assert sets(found)[1:] == [f"production.output=type=image,{ZSTD},oci-mediatypes=true"] * packs, (
        "else it is sent as an archive"
    )


def test_every_target_of_a_group_exports_to_its_own_directory(settings: Settings) -> None:
    both = ("tools", "devcontainer")
    wanted = BuildRequest(("development",), platforms=("linux/arm64",))
    places = {target: bake_arguments.cache_directory(settings, target, ("linux/arm64",)) for target in both}
    found = bake_arguments.local_export_command(settings, DEBIAN, wanted, places, env={}, secrets={}).argv
    for (target, directory), said in zip(places.items(), sets(found), strict=False):
        assert said.startswith(f"{target}.cache-to=type=local,")
        assert next(csv.reader([said.partition(".cache-to=")[2]]))[-1] == f"dest={directory}"


def test_a_directory_with_a_comma_is_one_field(settings: Settings) -> None:
    settings = replace(settings, cache_root=Path("/a b,ü"))
    value = sets(kept(settings, DEBIAN))[0].partition(".cache-to=")[2]
    assert next(csv.reader([value]))[-1] == f"dest={bake_arguments.cache_directory(settings, 'production', ())}"


@pytest.mark.parametrize(("docker", "said"), [(CLASSIC, ["*.cache-to=type=inline"]), (DEBIAN, []), (CLASSIC_GUIDE, [])])
def test_what_is_pushed_has_an_inline_cache(settings: Settings, docker: Docker, said: list[str]) -> None:
    """The bake file says both, and that is what holds where nothing is set."""
    found = sets(argv(settings, docker, BuildRequest(("production",), push=True)))
    assert [text for text in found if "cache-to" in text] == said


def test_the_guides_builder_is_not_taken_where_it_is_not_needed(settings: Settings) -> None:
    assert "--builder" not in argv(settings, replace(DEBIAN, builders=("default", BUILDER)))


@pytest.mark.parametrize("docker", [DEBIAN, CLASSIC_GUIDE, CONTAINED], ids=["docker", "guide", "container"])
def test_what_is_pushed_says_how_it_was_made_and_is_not_loaded(settings: Settings, docker: Docker) -> None:
    found = argv(settings, docker, BuildRequest(("production",), push=True))
    pushed = ["production.output=type=image,push=true,compression=gzip,force-compression=true"]
    assert ("--push" in found) != (sets(found) == pushed)
    assert "--provenance=mode=max" in found
    assert "--load" not in found


def test_what_is_pushed_is_packed_for_everybody_whatever_this_machine_keeps(settings: Settings) -> None:
    found = argv(settings, DEBIAN, BuildRequest(("production",), push=True))
    assert "zstd" not in str(found)
    assert "compression=gzip,force-compression=true" in str(sets(found))


@pytest.mark.parametrize("push", [True, False])
@pytest.mark.parametrize("said", [{"outputs": True}, {"sets": ("*.output=type=oci,dest=/x",)}], ids=["file", "set"])
def test_an_output_that_somebody_chose_is_left_alone(settings: Settings, push: bool, said: dict[str, Any]) -> None:
    found = argv(settings, DEBIAN, BuildRequest(("production",), push=push, **said))
    assert [text for text in sets(found) if ".output" in text] == list(said.get("sets", ()))
    assert ("--push" in found) is push


def test_every_target_is_packed(settings: Settings) -> None:
    both = ("tools", "devcontainer")
    found = bake_arguments.build_command(
        settings, DEBIAN, BuildRequest(("development",)), both, METADATA, env={}, secrets={}
    ).argv
    assert sets(found)[1:] == [f"{target}.output=type=image,{ZSTD},oci-mediatypes=true" for target in both]


@pytest.mark.parametrize(("target", "has"), [({"output": ["type=tar"]}, True), ({"tags": ["a"]}, False)])
def test_a_bake_file_with_outputs(target: dict[str, list[str]], has: bool) -> None:
    assert compression.has_outputs({"target": {"_common": target, "tools": {}}}) is has


def test_a_local_image_has_no_provenance(settings: Settings) -> None:
    assert not [word for word in argv(settings, NEW) if word.startswith("--provenance")]


def test_options_are_passed_on(settings: Settings) -> None:
    wanted = BuildRequest(("tools", "x"), no_cache=True, pull=True, sets=("a.args.B=c d", "*.tags=e"), progress="plain")
    found = argv(settings, DEBIAN, wanted)
    expected = ("--no-cache", "--pull", "--set", "a.args.B=c d", "--set", "*.tags=e", "--progress", "plain")
    assert found[9:17] == expected
    assert found[-2:] == ("tools", "x")


def test_a_persons_set_stands_after_ours_and_so_wins(settings: Settings) -> None:
    mine = "production.cache-to=type=local,dest=/x"
    assert sets(argv(settings, DEBIAN, BuildRequest(("production",), sets=(mine,))))[-1:] == [mine]


def test_where_somebody_has_said_what_to_do_with_caches_nothing_is_kept(settings: Settings) -> None:
    assert not bake_arguments.is_export_enabled(
        DEBIAN, BuildRequest(("production",), sets=("production.cache-to=type=local,dest=/x",))
    )
    assert not bake_arguments.is_export_enabled(DEBIAN, BuildRequest(("production",), push=True))


def test_keeping_a_cache_runs_no_step_again(settings: Settings) -> None:
    sets = ("production.no-cache-filter=app", "production.args.A=1")
    found = kept(settings, DEBIAN, BuildRequest(("production",), no_cache=True, pull=True, sets=sets))
    assert not {"--no-cache", "--pull", sets[0]} & set(found)
    assert sets[1] in found


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
def test_known_platforms_are_fine(platform: str) -> None:
    build_request.check(BuildRequest(("production",), platforms=(platform,)), CLASSIC)


def test_an_unknown_platform_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no platform 'linux/arm46'\. Did you mean 'linux/arm64'\?"):
        build_request.check(BuildRequest(("production",), platforms=("linux/arm46",)), DEBIAN)


def test_two_platforms_need_the_containerd_store_or_a_push() -> None:
    both = BuildRequest(("production",), platforms=build_request.PLATFORMS)
    build_request.check(both, DEBIAN)
    build_request.check(replace(both, push=True), CLASSIC_GUIDE)
    with pytest.raises(NoEngine, match=r"holds one platform at a time\. Push the image with --push"):
        build_request.check(both, CLASSIC)
    with pytest.raises(NoEngine):
        build_request.check(both, CONTAINED)


@pytest.mark.parametrize(
    ("names", "targets"),
    [
        (("tools",), ("tools",)),
        (("development",), ("tools", "devcontainer")),
        (("development", "tools", "default"), ("tools", "devcontainer", "production")),
        ((), ()),
    ],
)
def test_members(names: tuple[str, ...], targets: tuple[str, ...]) -> None:
    assert build_request.resolve_targets(BAKE_FILE, names) == targets


def test_a_group_that_shares_a_targets_name_is_meant() -> None:
    file: dict[str, dict[str, dict[str, list[str]]]] = {
        "group": {"production": {"targets": ["runtime"]}},
        "target": {"production": {}, "runtime": {}},
    }
    assert build_request.resolve_targets(file, ("production",)) == ("runtime",)


def test_a_bake_file_without_groups_has_its_targets() -> None:
    assert build_request.resolve_targets({"target": {"tools": {}}}, ("tools",)) == ("tools",)


@pytest.mark.parametrize(
    ("name", "remedy"), [("tool", "Did you mean 'tools'?"), ("_common", "Known: "), ("zzz", "Known: default, ")]
)
def test_an_unknown_target_is_told_with_the_nearest(name: str, remedy: str) -> None:
    with pytest.raises(UnknownName) as error:
        build_request.resolve_targets(BAKE_FILE, (name,))
    assert str(error.value).startswith(f"no bake target or group '{name}'. {remedy}")
    assert "_common" not in error.value.remedy


def test_every_variable_of_the_bake_file_is_set_so_that_none_is_taken_from_elsewhere(settings: Settings) -> None:
    file = json.loads(settings.bake_file.read_text(encoding="utf-8"))
    assert bake_arguments.variables(settings, BuildRequest(()), IMAGES).keys() == file["variable"].keys() - LEFT
    assert file["variable"].keys() >= LEFT


def test_the_values_of_the_variables(settings: Settings) -> None:
    settings = replace(settings, ca_bundle="/ca.pem", app="app", installer="pip", frontend=True)
    settings = replace(settings, cache_roots={".buildx-cache-tools": Path("/fast"), "pip-cache": Path("/elsewhere")})
    wanted = BuildRequest((), platforms=("linux/arm64", "linux/amd64"))
    assert bake_arguments.variables(settings, wanted, IMAGES) == {
        "GOLDI_CACHE_ROOT": str(settings.cache_root),
        "GOLDI_CACHE_ROOT_BUILDX_CACHE_BUILDER": str(settings.cache_root),
        "GOLDI_CACHE_ROOT_BUILDX_CACHE_TOOLS": "/fast",
        "GOLDI_CACHE_ROOT_BUILDX_CACHE_RUNTIME": str(settings.cache_root),
        "GOLDI_CACHE_ROOT_BUILDX_CACHE_PRODUCTION": str(settings.cache_root),
        "GOLDI_CACHE_ROOT_BUILDX_CACHE_DEVCONTAINER": str(settings.cache_root),
        "GOLDI_PROJECT_KEY": settings.key,
        "GOLDI_PLATFORM_KEY": "linux-amd64_linux-arm64",
        "GOLDI_PLATFORMS": "linux/arm64,linux/amd64",
        "GOLDI_APP": "app",
        "GOLDI_FRONTEND": "npm",
        "GOLDI_IMAGE": "three-bears",
        "GOLDI_INSTALLER": "pip",
        "GOLDI_SMOKE_TEST": "1",
        "GOLDI_CA_BUNDLE": "/ca.pem",
        **IMAGES,
    }


def test_an_app_without_a_front_end(settings: Settings) -> None:
    assert bake_arguments.variables(settings, BuildRequest(()), IMAGES)["GOLDI_FRONTEND"] == "none"


def test_without_a_smoke_test(settings: Settings) -> None:
    assert (
        bake_arguments.variables(replace(settings, smoke_test=False), BuildRequest(()), IMAGES)["GOLDI_SMOKE_TEST"]
        == "0"
    )


def test_one_cache_directory_per_target_project_and_platform_set(settings: Settings) -> None:
    base = settings.cache_root / ".buildx-cache-tools" / settings.key
    assert bake_arguments.cache_directory(settings, "tools", ()) == base / "native"
    assert bake_arguments.cache_directory(settings, "tools", ("linux/arm64",)) == base / "linux-arm64"


def test_show_asks_no_engine(settings: Settings) -> None:
    command = bake_arguments.bake_print_command(settings, ("tools", "runtime"), {"A": "1"})
    assert command.argv[:3] == ("docker", "buildx", "bake")
    assert command.argv[-3:] == ("--print", "tools", "runtime")
    assert command.env == {"A": "1"}


def test_from_buildx_0_35_it_removes_itself_what_an_index_does_not_lead_to(settings: Settings) -> None:
    assert not any("reset" in word for word in kept(settings, DEBIAN))
    assert any(",reset=true," in word for word in kept(settings, replace(DEBIAN, buildx=(0, 35, 0))))


def test_a_build_alone_takes_nothing_from_outside(settings: Settings) -> None:
    command = bake_arguments.build_command(
        settings, DEBIAN, BuildRequest(("production",)), ("production",), Path("/m"), {"A": "b"}, {}
    )
    found = bake_arguments.without_external_caches(command)
    assert found.argv[:6] == ("docker", "buildx", "bake", "--set", "*.cache-from=", "--file")
    assert set(command.argv) <= set(found.argv)
    assert found.env == command.env
