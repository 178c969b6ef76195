"""Base images for another processor, and which builds emulate anything."""

import json

import pytest

from goldi_tasks.plan import dockerfile, engine, foreign, oci, packing
from tests.conftest import REPO

PYTHON = engine.IMAGES["PYTHON_IMAGE"]
ARGS = {"PYTHON_IMAGE": "p", "NODE_IMAGE": "n", "APP": "a", "FRONTEND": "npm", "INSTALL_ON": "native"}


def test_it_is_unpacked_for_the_other_processor_and_configured_before_our_own_hooks() -> None:
    argv = foreign.mmdebstrap(PYTHON, "/w", "arm64").argv
    assert {"--arch=arm64", "--variant=extract", "--skip=check/qemu"} <= set(argv)
    hooks = [word for word in argv if word.startswith("--extract-hook")]
    assert hooks[0] == '--extract-hook=sh /w/configure.sh "$1"'
    assert len(hooks) == 3
    assert not [word for word in argv if word.startswith("--customize-hook")]
    assert argv[-3:] == engine.mmdebstrap(PYTHON, "/w").argv[-3:]


def test_the_scripts_placeholders_are_filled() -> None:
    assert "@" not in foreign.script().replace('"$@"', "")
    assert "--path-exclude=/usr/share/doc/*" in foreign.script()


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
    assert foreign.is_generated(name) is generated


def test_what_tells_processors_apart_does_not() -> None:
    name = "./usr/lib/python3.13/__pycache__/{}.cpython-313.pyc"
    assert foreign.is_for_all(name.format("os"))
    assert not foreign.is_for_all(name.format("_sysconfigdata__x86_64-linux-gnu"))


def test_an_index_is_the_same_in_whatever_order_platforms_came() -> None:
    arm, amd = (oci.manifest_of(f"sha256:{name}", 3, name) for name in ("arm64", "amd64"))
    text = oci.index([arm, amd])
    assert text == oci.index([amd, arm])
    assert [one["platform"]["architecture"] for one in json.loads(text)["manifests"]] == ["amd64", "arm64"]
    noted = [{**arm, "annotations": {"a": "b"}}]
    assert oci.chosen(noted, "arm64") == arm
    assert oci.chosen(noted, "amd64") is None


def test_of_our_dockerfile_only_the_image_itself_is_emulated() -> None:
    text = (REPO / "infrastructure/docker/Dockerfile").read_text(encoding="utf-8")
    stages = dockerfile.parse(text, ARGS) or []
    emulated = {stage.name for stage in stages if stage.name and dockerfile.emulates(stages, stage.name)}
    assert emulated.isdisjoint({"builder", "app", "tini", "frontend"})
    assert emulated >= {"production", "tools", "devcontainer"}
    assert dockerfile.emulates(dockerfile.parse(text, ARGS | {"INSTALL_ON": "target"}) or [], "builder")


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
    assert dockerfile.emulates(dockerfile.parse(text, {}) or [], "") is emulates


def test_what_is_for_other_platforms_has_layers_that_an_engine_unpacks_later() -> None:
    assert "oci-mediatypes=true" in packing.outputs(("a",), push=False)[1]
