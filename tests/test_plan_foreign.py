"""Base images for another processor, and which builds emulate anything."""

import json

import pytest

from goldi_tasks.bake import compression
from goldi_tasks.dockerfile import parse
from goldi_tasks.engine import cross_platform_plan, distribution, oci
from tests.conftest import REPO

PYTHON = distribution.IMAGES["PYTHON_IMAGE"]
ARGS = {"PYTHON_IMAGE": "p", "NODE_IMAGE": "n", "APP": "a", "FRONTEND": "npm", "INSTALL_ON": "native"}


def test_it_is_unpacked_for_the_other_processor_and_configured_before_our_own_hooks() -> None:
    argv = cross_platform_plan.mmdebstrap(PYTHON, "/w", "arm64").argv
    assert {"--arch=arm64", "--variant=extract", "--skip=check/qemu"} <= set(argv)
    hooks = [word for word in argv if word.startswith("--extract-hook")]
    assert hooks[0] == '--extract-hook=sh /w/configure.sh "$1"'
    assert len(hooks) == 3
    assert not [word for word in argv if word.startswith("--customize-hook")]
    assert argv[-3:] == distribution.mmdebstrap(PYTHON, "/w").argv[-3:]


def test_the_scripts_placeholders_are_filled() -> None:
    assert "@" not in cross_platform_plan.script().replace('"$@"', "")
    assert "--path-exclude=/usr/share/doc/*" in cross_platform_plan.script()


@pytest.mark.parametrize(
    ("name", "generated"),
    [
        ("./etc/ssl/certs/ca-certificates.crt", True),
        ("./etc/ssl/certs", False),
        ("./usr/lib/python3.13/__pycache__", True),
        ("./usr/lib/python3.13/json/__pycache__/decoder.cpython-313.pyc", True),
        ("./usr/lib/python3.13/os.py", False),
    ],
)
def test_what_comes_from_the_native_image(name: str, *, generated: bool) -> None:
    assert cross_platform_plan.is_generated(name) is generated


def test_what_tells_processors_apart_does_not() -> None:
    name = "./usr/lib/python3.13/__pycache__/{}.cpython-313.pyc"
    assert cross_platform_plan.is_for_all(name.format("os"))
    assert not cross_platform_plan.is_for_all(name.format("_sysconfigdata__x86_64-linux-gnu"))


def test_an_index_is_the_same_in_whatever_order_platforms_came() -> None:
    arm, amd = (oci.manifest_of(f"sha256:{name}", 3, name) for name in ("arm64", "amd64"))
    text = oci.index([arm, amd])
    assert text == oci.index([amd, arm])
    assert [one["platform"]["architecture"] for one in json.loads(text)["manifests"]] == ["amd64", "arm64"]
    noted = [{**arm, "annotations": {"a": "b"}}]
    assert oci.select_descriptor(noted, "arm64") == arm
    assert oci.select_descriptor(noted, "amd64") is None


def test_of_our_dockerfile_only_the_image_itself_is_emulated() -> None:
    text = (REPO / "infrastructure/docker/Dockerfile").read_text(encoding="utf-8")
    stages = parse.parse(text, ARGS) or []
    emulated = {stage.name for stage in stages if stage.name and parse.emulates(stages, stage.name)}
    assert emulated.isdisjoint({"builder", "app", "tini", "frontend"})
    assert emulated >= {"production", "tools", "devcontainer"}
    assert parse.emulates(parse.parse(text, ARGS | {"INSTALL_ON": "target"}) or [], "builder")


@pytest.mark.parametrize(
    ("text", "emulates"),
    [
        ("FROM a\nCOPY b c\n", False),
        ("FROM a\nRUN b\n", True),
        ("FROM --platform=$BUILDPLATFORM a AS x\nRUN b\nFROM x AS y\nRUN c\nFROM z\nCOPY --from=y d e\n", False),
        ("FROM --platform=$TARGETPLATFORM a\nRUN b\n", True),
        ("FROM a AS unused\nRUN b\nFROM c\n", False),
    ],
)
def test_emulates(text: str, *, emulates: bool) -> None:
    assert parse.emulates(parse.parse(text, {}) or [], "") is emulates


def test_what_is_for_other_platforms_has_layers_that_an_engine_unpacks_later() -> None:
    assert "oci-mediatypes=true" in compression.outputs(("a",), push=False)[1]
