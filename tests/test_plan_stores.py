"""Caches of other machines: one scope for each target, branch and platform set, as bake is told of it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from goldi_tasks import settings as project_settings
from goldi_tasks.bake import bake_arguments, build_request, cache_backends, remote_options
from goldi_tasks.bake.build_request import BuildRequest
from goldi_tasks.bake.cache_backends import CacheStore
from goldi_tasks.errors import SettingsError, UnknownName
from goldi_tasks.settings import Settings
from tests.test_plan_bake import CLASSIC, DEBIAN, IMAGES, METADATA, NEW, TARGETS, sets

PROD = BuildRequest(("production",))
PUSH = BuildRequest(("production",), push=True)
OWN = {"production": ["type=local,src=/x"]}
STORE = CacheStore("registry", "reg.example/app-cache", "bowl", "main", "linux-amd64")


@pytest.fixture
def settings(project: Path) -> Settings:
    return replace(project_settings.load(project, {}), registry="reg.example", image="app")


def test_caches_stay_on_this_machine_if_nothing_else_is_said(settings: Settings) -> None:
    assert cache_backends.choose(settings, PROD, DEBIAN, "bowl") is None
    found = cache_backends.choose(settings, PUSH, DEBIAN, "bowl")
    assert found == STORE, "what is pushed has its cache there"
    assert cache_backends.choose(replace(settings, registry=""), PUSH, DEBIAN, "bowl") is None
    assert cache_backends.choose(replace(settings, cache_backend="none"), PUSH, DEBIAN, "bowl") is None


def test_a_backend_wants_a_place(settings: Settings) -> None:
    for backend in ("registry", "inline"):
        nowhere = replace(settings, registry="", cache_backend=backend)
        with pytest.raises(
            SettingsError, match=f"the cache backend {backend} needs a registry, and no registry is set. Set `registry`"
        ):
            cache_backends.choose(nowhere, PROD, DEBIAN, "bowl")
    chosen = replace(settings, cache_backend="registry", cache_ref="else.example/c")
    found = cache_backends.choose(chosen, PROD, DEBIAN, "bowl")
    assert found
    assert found.repository == "else.example/c"
    github = cache_backends.choose(replace(settings, registry="", cache_backend="gha"), PROD, DEBIAN, "bowl")
    assert github
    assert github.cache_from("tools") == (
        "type=gha,scope=tools-linux-amd64-bowl",
        "type=gha,scope=tools-linux-amd64-main",
    )
    assert github.cache_to("tools", DEBIAN, push=False) == "type=gha,mode=max,scope=tools-linux-amd64-bowl"


def test_a_branch_reads_its_own_scope_then_the_main_ones(settings: Settings) -> None:
    place = "type=registry,ref=reg.example/app-cache"
    assert STORE.cache_from("production") == (
        f"{place}:production-linux-amd64-bowl",
        f"{place}:production-linux-amd64-main",
    )
    assert replace(STORE, branch="main").cache_from("tools") == (f"{place}:tools-linux-amd64-main",)
    written = STORE.cache_to("production", DEBIAN, push=True)
    assert written.startswith(f"{place}:production-linux-amd64-bowl,mode=max,image-manifest=true,oci-mediatypes=true")
    assert "compression=gzip" in written
    assert "compression=zstd" in STORE.cache_to("production", DEBIAN, push=False)
    assert "compression" not in STORE.cache_to("production", CLASSIC, push=False)


def test_where_no_branch_is_known_nothing_is_written() -> None:
    lost = replace(STORE, branch="")
    assert lost.cache_to("production", DEBIAN, push=True) == ""
    assert [ref.rpartition("-")[2] for ref in lost.refs("production")] == ["main"]


def test_each_platform_set_and_architecture_has_a_scope_of_its_own(settings: Settings) -> None:
    settings = replace(settings, cache_backend="registry")
    both = replace(PROD, platforms=("linux/amd64", "linux/arm64"))
    docker = replace(DEBIAN, platform="linux/arm64")
    found = {str(cache_backends.choose(settings, wanted, docker, "main")) for wanted in (PROD, both)}
    assert len({*found, str(cache_backends.choose(settings, PROD, DEBIAN, "main"))}) == 3


@pytest.mark.parametrize(
    "branch", ["main", "feature/x", "feature-x", "ünïcode", "a" * 300, "a" * 299 + "b", "x y", "-", "."]
)
def test_a_scope_is_a_legal_tag(branch: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", STORE.scope("production", branch))


def test_no_two_branches_share_a_scope() -> None:
    branches = ["feature/x", "feature-x", "feature x", "a" * 300, "a" * 299 + "b"]
    assert len({STORE.scope("production", branch) for branch in branches}) == len(branches)


def test_bake_is_told_of_ours_and_theirs_and_what_is_asked_for(settings: Settings) -> None:
    asked = replace(PUSH, cache_from=("type=registry,ref=more",), tags=("1", "2"))
    told = remote_options.make_options(settings, DEBIAN, asked, STORE, OWN, {"org.x.y": "z"})
    found = sets(bake_arguments.build_command(settings, DEBIAN, asked, TARGETS, METADATA, IMAGES, {}, told).argv)
    place = "production.cache-from=type=registry,ref="
    assert found[:-1] == [
        "*.cache-to=type=inline",
        "production.cache-from=type=local,src=/x",
        f"{place}reg.example/app-cache:production-linux-amd64-bowl",
        f"{place}reg.example/app-cache:production-linux-amd64-main",
        f"{place}more",
        "production.tags=reg.example/app:1",
        "production.tags=reg.example/app:2",
        "production.labels.org.x.y=z",
    ]
    alone = bake_arguments.without_external_caches(
        bake_arguments.build_command(settings, DEBIAN, asked, TARGETS, METADATA, IMAGES, {}, told)
    )
    assert [text for text in sets(alone.argv) if "cache-from" in text] == ["*.cache-from="]
    assert len([text for text in sets(alone.argv) if "tags" in text]) == 2
    export = sets(bake_arguments.remote_export_command(settings, DEBIAN, asked, told, IMAGES, {}).argv)
    assert [text for text in export if "cache-to" in text] == [f"production.cache-to={told.cache_to['production']}"]
    assert export[-1] == "*.output=type=cacheonly"
    assert not [text for text in export if "labels" in text or "push=true" in text]


def test_a_local_backend_is_told_as_ever(settings: Settings) -> None:
    assert remote_options.make_options(settings, DEBIAN, PROD, None, OWN, {}) == remote_options.NOTHING


def test_the_other_targets_of_a_push_with_a_tag_keep_their_names_apart(settings: Settings) -> None:
    told = remote_options.make_options(
        settings, DEBIAN, replace(PUSH, tags=("1",)), None, {"production": [], "tools": []}, {}
    )
    assert told.tags_and_labels == ("production.tags=reg.example/app:1", "tools.tags=reg.example/app:tools-1")


def test_a_push_goes_where_the_settings_say(settings: Settings) -> None:
    assert bake_arguments.variables(settings, PUSH, IMAGES)["GOLDI_IMAGE"] == "reg.example/app"
    assert bake_arguments.variables(settings, PROD, IMAGES)["GOLDI_IMAGE"] == "app"
    file = {"target": {"production": {"tags": ["${GOLDI_IMAGE}:x"]}, "mine": {"tags": ["reg.example/mine"]}}}
    remote_options.check_pushed(settings, PUSH, file, TARGETS)
    nowhere = replace(settings, registry="")
    remote_options.check_pushed(nowhere, PUSH, file, ("mine",))
    remote_options.check_pushed(nowhere, replace(PUSH, sets=("production.tags=a/b",)), file, TARGETS)
    with pytest.raises(SettingsError, match="no registry is set to push app to"):
        remote_options.check_pushed(nowhere, PUSH, file, TARGETS)


def test_an_sbom_is_made_of_what_is_pushed(settings: Settings) -> None:
    asked = replace(PUSH, scanner="mirror/scanner:1")
    assert (
        "--sbom=generator=mirror/scanner:1"
        in bake_arguments.build_command(settings, DEBIAN, asked, TARGETS, METADATA, {}, {}).argv
    )
    assert not [
        word
        for word in bake_arguments.build_command(settings, DEBIAN, PUSH, TARGETS, METADATA, {}, {}).argv
        if word.startswith("--sbom")
    ]


@pytest.mark.parametrize(
    ("environ", "lacking", "newer"),
    [
        ({}, "ACTIONS_CACHE_URL", "ACTIONS_RESULTS_URL"),
        ({"ACTIONS_CACHE_URL": "x"}, "ACTIONS_RUNTIME_TOKEN", "ACTIONS_RUNTIME_TOKEN"),
        ({"ACTIONS_CACHE_URL": "x", "ACTIONS_RUNTIME_TOKEN": "y"}, "", ""),
        ({"ACTIONS_RESULTS_URL": "x", "ACTIONS_RUNTIME_TOKEN": "y"}, "ACTIONS_CACHE_URL", ""),
    ],
)
def test_githubs_cache_wants_variables_that_differ_by_buildx(environ: dict[str, str], lacking: str, newer: str) -> None:
    assert (
        cache_backends.find_missing_variable(environ, DEBIAN.buildx),
        cache_backends.find_missing_variable(environ, NEW.buildx),
    ) == (lacking, newer)


def test_what_cache_from_takes() -> None:
    assert build_request.check_from("reg.example/app:cache") == "type=registry,ref=reg.example/app:cache"
    for text in (
        "type=registry,ref=a/b:c",
        "type=local,src=/x",
        "type=gha",
        "type=gha,scope=x",
        'type=local,"src=/a b"',
    ):
        assert build_request.check_from(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("type=registy,ref=x", "no type 'registy'. Did you mean 'registry'?"),
        ("type=registry", "names no ref. Write type=registry,ref=WHICH."),
        ("type=local,dest=/x", "names no src"),
        ("ref=x", "no type ''"),
        ("a b", "no type ''"),
        ("", "no type ''"),
    ],
)
def test_what_it_does_not_take_is_told(text: str, said: str) -> None:
    with pytest.raises(UnknownName, match=re.escape(said)):
        build_request.check_from(text)


@pytest.mark.parametrize("tag", ["", "-x", "a/b", "a b", "x:y", "ü", "a" * 129])
def test_a_tag_that_no_registry_takes_is_told(tag: str) -> None:
    with pytest.raises(UnknownName, match="is not a valid tag"):
        build_request.check_tag(tag)
    assert build_request.check_tag("1.0_x-y") == "1.0_x-y"


def test_fields_that_newer_bake_prints_are_read() -> None:
    old = {"cache-from": ["type=local,src=/x"]}
    new = {"cache-from": [{"type": "local", "src": "/a, b"}]}
    assert remote_options.of_bake(old) == ["type=local,src=/x"]
    assert remote_options.of_bake(new) == ['"type=local","src=/a, b"']
    assert remote_options.of_bake({}) == []
