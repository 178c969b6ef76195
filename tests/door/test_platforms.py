"""`goldi build.*` for other platforms than this one, up to docker's arguments."""

import json

import pytest

from tests.door.conftest import Stage, one_sentence

pytestmark = pytest.mark.door

ALONE = "Name: default\nDriver: docker\nPlatforms:     linux/amd64, linux/amd64/v2\n"
DOCKERFILE = "FROM --platform=$BUILDPLATFORM p AS made\nRUN x\nFROM scratch AS production\nCOPY --from=made /y /y\n"


def test_a_platform_that_cannot_run_is_refused_before_anything_is_built(stage: Stage) -> None:
    stage.docker.answer("buildx inspect", stdout=ALONE)
    done = stage.goldi("build.prod", "--platform", "linux/amd64,linux/arm64")
    assert done.returncode == 11
    assert one_sentence(done).startswith("goldi: linux/arm64 cannot run here: ")
    assert "`goldi build.binfmt --install`" in done.stderr
    assert not [call for call in stage.docker.calls if call[:2] == ["buildx", "bake"] and "--print" not in call]


def test_where_nothing_runs_emulated_it_is_built(stage: Stage) -> None:
    stage.docker.answer("buildx inspect", stdout=ALONE)
    made = {"dockerfile": "Dockerfile.made", "target": "production"}
    stage.docker.answer("buildx print", stdout=json.dumps({"target": {"production": made}}))
    (stage.project / "Dockerfile.made").write_text(DOCKERFILE)
    done = stage.goldi("build.prod", "--platform", "linux/arm64")
    assert done.returncode == 0, done.stderr
    assert stage.docker.only("bake")["env"]["GOLDI_PLATFORMS"] == "linux/arm64"


def test_what_runs_where_is_shown_and_set_up_only_if_asked(stage: Stage) -> None:
    stage.docker.answer("buildx inspect", stdout=ALONE)
    rows = json.loads(stage.goldi("build.binfmt", "--json").stdout)
    assert {row["platform"]: row["runs"] for row in rows} == {"linux/amd64": "native", "linux/arm64": "no"}
    shown = stage.goldi("build.binfmt")
    assert shown.returncode == 0
    assert "goldi build.binfmt --install" in shown.stdout
    dry = stage.goldi("--dry", "build.binfmt", "--install")
    assert "would fetch qemu-user and register an emulator of linux/arm64" in dry.stdout
