"""The bake file, the Dockerfile and the table of caches against each other, by the real buildx."""

import itertools
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks import paths
from goldi_tasks import settings as project_settings
from goldi_tasks.bake import bake_arguments, build_request, builds
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.network import PROGRAMS
from goldi_tasks.paths import CACHES
from goldi_tasks.settings import Settings
from tests.conftest import REPO
from tests.contract.conftest import BAKE_FILE, Bake, fields
from tests.test_plan_bake import DEBIAN

pytestmark = pytest.mark.contract

FILE: dict[str, Any] = json.loads((REPO / BAKE_FILE).read_text(encoding="utf-8"))
DOCKERFILE = (REPO / "infrastructure/docker/Dockerfile").read_text(encoding="utf-8")
# Instructions, one a line, without comments.
LINES = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE)).splitlines()
STAGES = [match.group(1) for line in LINES if (match := re.match(r"FROM (?:--\S+ )?\S+ AS (\S+)$", line))]
SETTINGS = project_settings.load(REPO, {})
ALL = ("builder", "tools", "runtime", "production", "devcontainer")
ROOTS = ["/tmp", "/a b/c", "/with,comma", "/ünï/cødé"]


def stage_lines(name: str) -> list[str]:
    """The instructions of one stage of the Dockerfile."""
    begin = next(number for number, line in enumerate(LINES) if re.match(rf"FROM (?:--\S+ )?\S+ AS {name}$", line))
    ends = (number for number, line in enumerate(LINES) if number > begin and line.startswith("FROM "))
    return LINES[begin : next(ends, len(LINES))]


def environment(name: str) -> dict[str, str]:
    """What the ENV lines of a stage set."""
    words = [word for line in stage_lines(name) if line.startswith("ENV ") for word in shlex.split(line)[1:]]
    return dict(word.split("=", 1) for word in words)


def test_the_targets_are_those_of_the_table_and_the_groups_those_of_the_guide() -> None:
    assert build_request.public(FILE) == (*ALL, "watch", "postgres")
    assert paths.TARGETS == ALL
    assert set(FILE["group"]) == {"default", "development", "production"}


@pytest.mark.parametrize("name", [*ALL, "watch", "postgres", *FILE["group"]])
def test_every_dockerfile_and_stage_that_a_target_names_is_there(bake: Bake, name: str) -> None:
    found = bake(name)
    assert set(found) == set(build_request.resolve_targets(FILE, (name,)))
    for target in found.values():
        assert (REPO / target["context"] / target["dockerfile"]).is_file()
        assert target["target"] in STAGES


def test_every_stage_that_a_stage_names_is_there() -> None:
    froms = (line.split()[1:] for line in LINES if line.startswith("FROM "))
    named = [next(word for word in words if not word.startswith("--")) for words in froms]
    named += re.findall(r"--from=(\S+)", DOCKERFILE)
    plain = {name for name in named if "$" not in name and name != "scratch"}
    assert plain <= set(STAGES), "a base image is named by an argument only"
    assert {"frontend-npm", "frontend-none"} <= set(STAGES), "frontend-${FRONTEND}"


def test_every_file_that_is_copied_from_the_repository_is_there() -> None:
    # One that begins with / is in another stage.
    sources = re.findall(r"source=([^/,\s][^,\s]*),target=", DOCKERFILE)
    sources += [
        word
        for line in LINES
        if line.startswith("COPY ") and "--from" not in line
        for word in shlex.split(line)[1:-1]
        if not word.startswith("--") and "$" not in word
    ]
    assert len(sources) > 5
    assert [name for name in set(sources) if not (REPO / name).exists()] == []


OTHERS: list[dict[str, Path]] = [{}, {".buildx-cache-tools": Path("/fast, ü"), "pip-cache": Path("/fast")}]


@pytest.mark.parametrize("platforms", [(), ("linux/amd64", "linux/arm64")], ids=["native", "both"])
@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("others", OTHERS, ids=["one root", "another for one"])
def test_local_caches_are_where_the_table_says(
    bake: Bake, root: str, platforms: tuple[str, ...], others: dict[str, Path]
) -> None:
    settings = replace(SETTINGS, cache_root=Path(root), cache_roots=others)
    wanted = BuildRequest(ALL, platforms=platforms)
    found = bake(*ALL, **bake_arguments.variables(settings, wanted, {}))
    assert set(found) == set(ALL)
    for name, target in found.items():
        directory = str(bake_arguments.cache_directory(settings, name, platforms))
        source = [fields(entry) for entry in target["cache-from"]]
        assert [entry["src"] for entry in source if entry["type"] == "local"] == [directory]
        exported = [fields(entry) for entry in target["cache-to"]]
        assert sorted(entry["type"] for entry in exported) == ["inline", "local"]
        assert [(entry["dest"], entry["mode"]) for entry in exported if "dest" in entry] == [(directory, "max")]
        assert target.get("platforms", []) == list(platforms)


@pytest.mark.parametrize("others", OTHERS, ids=["one root", "another for one"])
def test_plain_bake_needs_no_more_variables_than_somebody_has_chosen(bake: Bake, others: dict[str, Path]) -> None:
    """A cache whose root is not given is under the common one, and that is /tmp."""
    for common in ({}, {"GOLDI_CACHE_ROOT": "/common"}):
        told = {paths.BY_NAME[name].root_variable: str(root) for name, root in others.items()}
        for name, target in bake(*ALL, **common, **told).items():
            cache = paths.build_cache(name)
            root = others.get(cache.name, Path(common.get("GOLDI_CACHE_ROOT", "/tmp")))
            (entry,) = map(fields, target["cache-from"])
            assert entry["src"] == str(cache.path(root, "plain-goldilocks") / "native")


def test_no_two_targets_share_a_cache_directory(bake: Bake) -> None:
    directories = [fields(entry)["src"] for target in bake(*ALL).values() for entry in target["cache-from"]]
    assert len(set(directories)) == len(ALL)


@pytest.mark.parametrize("root", ROOTS)
def test_what_a_local_build_sets_is_read_as_it_is_meant(bake: Bake, root: str) -> None:
    """`--set` has a syntax of its own, with commas in it."""
    settings = replace(SETTINGS, cache_root=Path(root))
    argv = bake_arguments.build_command(settings, DEBIAN, BuildRequest(ALL), ALL, Path("/m"), {}, {}).argv
    sets = [word for flag, value in itertools.pairwise(argv) if flag == "--set" for word in (flag, value)]
    for target in bake(*sets, *ALL, **bake_arguments.variables(settings, BuildRequest(ALL), {})).values():
        assert [entry for entry in target.get("cache-to") or [] if entry] == []
        (output,) = target["output"]
        packed = {"compression": "zstd", "compression-level": "1", "oci-mediatypes": "true"}
        assert fields(output) == {"type": "image", **packed}


@pytest.mark.parametrize("root", ROOTS)
def test_what_keeping_a_cache_sets_is_read_as_it_is_meant(bake: Bake, root: str) -> None:
    settings = replace(SETTINGS, cache_root=Path(root))
    places = {name: bake_arguments.cache_directory(settings, name, ()) for name in ALL}
    argv = bake_arguments.local_export_command(settings, DEBIAN, BuildRequest(ALL), places, {}, {}).argv
    sets = [word for flag, value in itertools.pairwise(argv) if flag == "--set" for word in (flag, value)]
    for name, target in bake(*sets, *ALL, **bake_arguments.variables(settings, BuildRequest(ALL), {})).items():
        (entry,) = target["cache-to"]
        assert fields(entry)["dest"] == str(places[name])
        assert target["output"] == ["type=cacheonly"]


def test_what_is_pushed_is_read_as_it_is_meant(bake: Bake) -> None:
    argv = bake_arguments.build_command(SETTINGS, DEBIAN, BuildRequest(ALL, push=True), ALL, Path("/m"), {}, {}).argv
    sets = [word for flag, value in itertools.pairwise(argv) if flag == "--set" for word in (flag, value)]
    for target in bake(*sets, *ALL).values():
        (output,) = target["output"]
        assert fields(output).items() >= {"type": "image", "push": "true", "compression": "gzip"}.items()


def test_no_local_export_where_it_would_be_an_error(bake: Bake) -> None:
    argv = bake_arguments.build_command(
        SETTINGS, replace(DEBIAN, store="classic"), BuildRequest(ALL), ALL, Path("/m"), {}, {}
    ).argv
    sets = argv[argv.index("--set") : argv.index("--set") + 2]
    for target in bake(*sets, *ALL).values():
        assert [entry for entry in target.get("cache-to") or [] if entry] == []


@pytest.mark.parametrize("name", ["ca.pem", "with space, ü.pem"])
def test_certificates_and_the_network_are_secrets(bake: Bake, tmp_path: Path, name: str) -> None:
    bundle = tmp_path / name
    bundle.touch()
    secrets = [fields(entry) for entry in bake("builder", GOLDI_CA_BUNDLE=str(bundle))["builder"]["secret"]]
    by_id = {entry["id"]: entry for entry in secrets}
    assert by_id.pop("ca_bundle")["src"] == str(bundle)
    told = {entry["env"]: entry["id"] for entry in by_id.values()}
    assert told == {name: f"{program or 'build'}_env" for name, program in PROGRAMS.items()}


def test_without_certificates_the_secret_is_an_unset_variable(bake: Bake) -> None:
    secrets = [fields(entry) for entry in bake("builder")["builder"]["secret"]]
    assert [entry.get("env") for entry in secrets] == ["GOLDI_NO_CA_BUNDLE", *PROGRAMS]


def test_no_secret_is_anywhere_in_what_bake_prints(bake: Bake) -> None:
    """Arguments stay in the image's history."""
    assert "hunter2" not in json.dumps(bake(*ALL, **dict.fromkeys(PROGRAMS, "export PIP_INDEX_URL=hunter2")))


def test_every_argument_that_bake_gives_is_one_of_the_dockerfile(bake: Bake) -> None:
    declared = set(re.findall(r"^ARG (\w+)", DOCKERFILE, re.MULTILINE))
    for target in bake(*ALL).values():
        assert target["args"].keys() <= declared


def test_variables_reach_the_arguments_and_tags(bake: Bake) -> None:
    found = bake(
        "production",
        PYTHON_IMAGE="mirror/python",
        GOLDI_APP="app",
        GOLDI_FRONTEND="none",
        GOLDI_INSTALLER="pip",
        GOLDI_IMAGE="bears",
        GOLDI_TAG="1.2",
        GOLDI_VERSION="1.2",
        GOLDI_REVISION="abc",
        GOLDI_BUILD_PACKAGES="gcc",
        GOLDI_SMOKE_TEST="0",
    )["production"]
    given = {"PYTHON_IMAGE": "mirror/python", "APP": "app", "FRONTEND": "none", "INSTALLER": "pip"}
    given |= {"VERSION": "1.2", "REVISION": "abc", "BUILD_PACKAGES": "gcc", "SMOKE_TEST": "0"}
    assert given.items() <= found["args"].items()
    assert found["tags"] == ["bears:1.2"]


def test_what_is_imported_before_it_is_shipped_is_what_is_started() -> None:
    start = re.findall(r'^ARG START="(.*)"$', DOCKERFILE, re.MULTILINE)[0].split()
    command = json.loads(re.findall(r"^CMD (\[.*?\])", "\n".join(stage_lines("runtime")), re.MULTILINE | re.DOTALL)[0])
    assert [command[2], command[3]] == start


def test_the_database_is_in_no_group_and_never_takes_the_official_name(bake: Bake) -> None:
    """Under that name it would shadow the real image for every project on the machine."""
    assert not any("postgres" in group["targets"] for group in FILE["group"].values())
    found = bake("postgres", GOLDI_IMAGE="bears", GOLDI_TAG="1.2")["postgres"]
    assert (found["target"], found["tags"]) == ("postgres", ["localhost/goldi/postgres:17-trixie"])


def test_a_plain_docker_build_makes_the_production_image() -> None:
    """Without a target, docker builds the last stage."""
    assert STAGES[-1] == "production"


def test_the_database_has_the_paths_and_the_signal_of_the_official_image() -> None:
    assert environment("postgres")["PGDATA"] == "/var/lib/postgresql/data"
    assert {"VOLUME /var/lib/postgresql/data", "STOPSIGNAL SIGINT"} <= set(stage_lines("postgres"))


def test_no_attestation_by_default_since_it_changes_the_image_on_every_build(bake: Bake) -> None:
    for target in bake(*ALL).values():
        assert [fields(entry) for entry in target["attest"]] == [{"type": "provenance", "disabled": "true"}]


def test_base_images_have_the_same_default_everywhere() -> None:
    in_dockerfile = dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", DOCKERFILE, re.MULTILINE))
    in_bake = {name: FILE["variable"][name]["default"] for name in in_dockerfile}
    assert in_dockerfile == in_bake == {"PYTHON_IMAGE": Settings.python_image, "NODE_IMAGE": Settings.node_image}


def test_other_defaults_agree_too() -> None:
    defaults = {name: value["default"] for name, value in FILE["variable"].items()}
    assert defaults["GOLDI_CACHE_ROOT"] == str(paths.DEFAULT_ROOT)
    assert defaults["GOLDI_INSTALLER"] == Settings.installer
    assert (defaults["GOLDI_SMOKE_TEST"] == "1") is Settings.smoke_test
    assert defaults["GOLDI_PLATFORM_KEY"] == paths.platform_key(())
    assert defaults["GOLDI_APP"] == SETTINGS.app
    assert defaults["GOLDI_IMAGE"] == SETTINGS.image


def test_the_tools_stage_sends_every_tool_to_its_mount_point() -> None:
    found = environment("tools")
    expected = {cache.variable: cache.value.format(cache.mount) for cache in CACHES if cache.variable}
    assert expected.items() <= found.items()
    elsewhere = {name for name, value in found.items() if "/cache/" in value} - expected.keys()
    assert not elsewhere


def test_shipped_images_know_nothing_of_the_caches() -> None:
    for name in ("runtime", "production"):
        assert not any("/cache/" in value for value in environment(name).values())


def test_downloads_are_cached_where_the_guide_says() -> None:
    mounts = [
        dict(field.split("=", 1) for field in mount.split(","))
        for mount in re.findall(r"--mount=(type=cache\S+)", DOCKERFILE)
    ]
    targets = {mount["target"] for mount in mounts}
    guide = {"/root/.cache/pip", "/root/.npm", "/var/cache/apt", "/var/lib/apt/lists"}
    assert targets == guide | {"/root/.cache/uv", "/root/.cache/bytecode"}
    # apt's databases bear one writer only, and one architecture.
    apt = [mount for mount in mounts if "apt" in mount["target"]]
    assert all(mount["sharing"] == "locked" and "${TARGETARCH}" in mount["id"] for mount in apt)


def test_every_step_that_downloads_gets_certificates_and_what_its_program_needs_of_the_network() -> None:
    steps = [line for line in LINES if re.match(r"RUN .*\bonline (apt-get|npm|/opt)", line)]
    assert len(steps) > 4
    for step in steps:
        found = re.search(r"\bonline (apt-get|npm|/opt)", step)
        assert found
        program = {"apt-get": "apt", "npm": "npm", "/opt": "python"}[found[1]]
        assert re.findall(r"--mount=type=secret,id=(\w+)", step) == ["ca_bundle", f"{program}_env"]


def test_the_runtime_image_is_not_root_and_says_when_it_is_well() -> None:
    instructions = {line.split()[0]: line for line in stage_lines("runtime")}
    assert re.fullmatch(r"USER [1-9]\d*:[1-9]\d*", instructions["USER"])
    assert instructions["ENTRYPOINT"].startswith('ENTRYPOINT ["/tini"')
    assert "HEALTHCHECK" in instructions
    assert not any(line.startswith("USER") for line in stage_lines("production"))


def test_no_syntax_line_since_it_needs_a_registry() -> None:
    assert not re.search(r"^#\s*syntax\s*=", DOCKERFILE, re.MULTILINE)


def test_base_images_that_this_machine_made_reach_the_bake_file(bake: Bake, project: Path) -> None:
    (project / "infrastructure/docker/.env").write_text("PYTHON_IMAGE=goldi/python:3\nNODE_IMAGE=goldi/node:20\n")
    settings = project_settings.load(project, {})
    args = bake("tools", **builds.variables(settings, BuildRequest(("tools",))))["tools"]["args"]
    assert (args["PYTHON_IMAGE"], args["NODE_IMAGE"]) == ("goldi/python:3", "goldi/node:20")


def test_plain_bake_keeps_projects_apart_by_their_images_name(bake: Bake) -> None:
    """Without what setup-cache.sh wrote down, two projects would write to one directory."""
    target = bake("production", GOLDI_IMAGE="bears")["production"]
    assert [fields(entry)["dest"] for entry in target["cache-to"] if "dest=" in entry] == [
        "/tmp/.buildx-cache-production/plain-bears/native"
    ]
