"""The parts of the decision that need no builder; tests/fingerprint holds all of it against the builder itself."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks import process
from goldi_tasks import settings as project_settings
from goldi_tasks.bake import bakefile, build_request, client_state, control_files, external_sources
from goldi_tasks.errors import UnknownName
from goldi_tasks.settings import Settings

# As BuildKit of engine 26.1 names its steps.
LOG = (
    "[internal] load local bake definitions",
    "[app internal] load build definition from Dockerfile",
    "[internal] load .dockerignore",
    "[context lib] load from client",
    "[auth] library/python:pull token for registry.example",
    "[app context base] load metadata for registry.example/base:1",
    "[internal] load metadata for docker.io/library/python:3",
    "[app internal] load metadata for docker.io/library/alpine:latest",
    "resolve image config for docker-image://docker.io/docker/dockerfile:1",
    "docker-image://docker.io/docker/dockerfile:1@sha256:12",
    "[app] FROM localhost/node:20@sha256:12",
    "[context base] localhost/node:20",
    "[stage-0 1/5] FROM docker.io/library/python:3@sha256:12",
    "[app linux/arm64 stage-0 2/5] ADD local.tgz /",
    "[stage-0 3/5] RUN echo ADD https://registry.example/x",
    "[stage-0 4/5] LINK COPY --link f /f",
    "[internal] settings cache mount permissions",
    "importing cache manifest from local:17",
    "exporting to image",
)


def test_the_images_in_a_log() -> None:
    images = {"registry.example/base:1", "python:3", "alpine:latest", "docker/dockerfile:1"}
    digests = {"docker/dockerfile:1": {"sha256:12"}, "localhost/node:20": {"sha256:12"}, "python:3": {"sha256:12"}}
    assert external_sources.parse(LOG) == external_sources.Sources(images, set(), digests)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("[2/3] ADD https://registry.example/x /", "ADD https://registry.example/x /"),
        ("[app base 2/3] ONBUILD ADD git@registry.example:x.git /", "ONBUILD ADD git@registry.example:x.git /"),
        ("https://registry.example/x", "https://registry.example/x"),
        ("something new", "something new"),
    ],
)
def test_what_else_a_build_took(name: str, other: str) -> None:
    assert external_sources.parse([*LOG, name]).others == {other}


@pytest.fixture
def settings(project: Path) -> Settings:
    return project_settings.load(project, {})


def find(settings: Settings, dockerfile: str = "Dockerfile", **more: object) -> control_files.ControlFiles:
    return control_files.find(settings.project, {"context": ".", "dockerfile": dockerfile, **more})


def test_the_ignore_file_of_that_dockerfile_then_the_contexts(settings: Settings) -> None:
    root = settings.project
    for name in ("Dockerfile", "Second.Dockerfile", "Dockerfile.dockerignore"):
        (root / name).write_text(name)
    assert find(settings).ignore == root / "Dockerfile.dockerignore"
    assert find(settings, "Second.Dockerfile").ignore is None
    (root / ".dockerignore").write_text("all")
    assert find(settings, "Second.Dockerfile").ignore_text == "all"
    inline = control_files.find(root, {"dockerfile-inline": "FROM a"})
    assert (inline.text, inline.ignore) == ("FROM a", root / ".dockerignore")
    (root / "Dockerfile.rego").write_text("policy")
    assert str(root / "Dockerfile.rego") in find(settings).contents


@pytest.mark.parametrize("linked", ["Dockerfile", "Dockerfile.dockerignore", ".dockerignore", "folder"])
def test_with_a_link_among_them_nothing_is_removed_and_all_of_them_count(settings: Settings, linked: str) -> None:
    root = settings.project
    (root / "real").mkdir()
    (root / "real/Dockerfile").write_text("FROM a")
    for name in ("Dockerfile", "Dockerfile.dockerignore", ".dockerignore"):
        (root / name).write_text("FROM a")
        (root / f"other {name}").write_text("FROM b")
    if linked == "folder":
        (root / "folder").symlink_to("real")
    else:
        (root / linked).unlink()
        (root / linked).symlink_to(f"other {linked}")
    name = "folder/Dockerfile" if linked == "folder" else "Dockerfile"
    before = find(settings, name)
    assert (before.plain, before.ignore_text) == (False, "")
    if linked != "folder":
        (root / f"other {linked}").write_text("FROM c")
        assert find(settings, name).contents != before.contents
        (root / "other Dockerfile.dockerignore").write_text("x")
        last = find(settings, name).contents
        assert (b"x" in last.values()) is (linked != ".dockerignore")


def test_a_dockerfile_beside_its_context(settings: Settings) -> None:
    (settings.project / "part").mkdir()
    (settings.project / "Dockerfile").write_text("FROM a")
    beside = find(settings, "../Dockerfile", context="part")
    assert (beside.plain, beside.dockerfile) == (True, settings.project / "Dockerfile")


@pytest.mark.parametrize("context", ["https://example.invalid/x.git", "git@example.invalid:x", "missing"])
def test_a_context_elsewhere_is_not_understood(settings: Settings, context: str) -> None:
    with pytest.raises(control_files.NotUnderstood, match="its context is "):
        find(settings, context=context)


DOCUMENT: dict[str, dict[str, Any]] = {
    "group": {
        "all": {"targets": ["some", "two"]},
        "some": {"targets": ["m"]},
        "m": {"targets": ["m-1", "m-2"]},
        "two": {"targets": ["two"]},
    },
    "target": {"m-1": {}, "m-2": {}, "two": {}, "_base": {}},
}


@pytest.mark.parametrize(
    ("names", "targets"), [("all", ("m-1", "m-2", "two")), ("two m-2", ("two", "m-2")), ("m m-1", ("m-1", "m-2"))]
)
def test_groups_of_groups_and_of_a_matrix(names: str, targets: tuple[str, ...]) -> None:
    assert build_request.resolve_targets(DOCUMENT, names.split()) == targets


def test_a_name_that_bake_has_not() -> None:
    with pytest.raises(UnknownName, match="no bake target or group 'tow'"):
        build_request.resolve_targets(DOCUMENT, ["tow"])


@pytest.fixture
def printing(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """Asks for a print of a bake file with this text and these variables; counts how often bake was asked."""
    asked: list[object] = []

    def capture(command: object, **more: object) -> str:
        asked.append(command)
        return json.dumps({"target": {}})

    monkeypatch.setattr(process, "capture", capture)

    def ask(text: str, **env: str) -> int:
        settings.bake_file.write_text(text)
        bakefile.run_cached_bake_print(settings, ("a",), env, tmp_path / "prints.json")
        return len(asked)

    return ask


def test_bake_is_asked_again_only_where_it_may_answer_otherwise(printing: Callable[..., int]) -> None:
    text = '{"variable": {"NAME": {}}, "target": {"a": {"args": {"X": "${upper(NAME)}"}}}}'
    assert [printing(text, NAME="1"), printing(text, NAME="1"), printing(text, NAME="1", OTHER="2")] == [1, 1, 1]
    assert [printing(text, NAME="2"), printing(f"{text} ", NAME="2"), printing(text, NAME="1")] == [2, 3, 3]


@pytest.mark.parametrize("call", ["timestamp()", "own(1)", "\\u0041"])
def test_what_may_change_by_itself_is_asked_each_time(printing: Callable[..., int], call: str) -> None:
    text = f'{{"target": {{"a": {{"args": {{"X": "${{{call}}}"}}}}}}}}'
    assert [printing(text), printing(text)] == [1, 2]


def test_the_clients_own_configuration_counts(tmp_path: Path) -> None:
    env = {"DOCKER_CONFIG": str(tmp_path), "PATH": "x"}
    digests = [client_state.digest(env, tmp_path)]

    def differs() -> bool:
        digests.append(client_state.digest(env, tmp_path))
        return digests[-1] != digests[-2]

    assert not differs()
    (tmp_path / "config.json").write_text('{"proxies": {}, "auths": {}}')
    assert differs()
    (tmp_path / "config.json").write_text('{"auths": {"a": 1}, "proxies": {}}')
    assert not differs()
    for folder in ("buildx/instances", "contexts/meta/1"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "buildx/current").write_text('{"Key": "unix:///var/run/docker.sock", "Name": ""}')
    assert not differs()
    (tmp_path / "buildx/current").write_text('{"Key": "unix:///var/run/docker.sock", "Name": "far"}')
    assert differs()
    (tmp_path / "buildx/instances/far").write_text("{}")
    assert differs()
    (tmp_path / "contexts/meta/1/meta.json").write_text("{}")
    assert differs()
    for name in ("BUILDX_BUILDER", "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", "SOURCE_DATE_EPOCH", "DOCKER_HOST"):
        env[name] = "1"
        assert differs()
    env["HOME"] = "other"
    assert not differs()
