"""`goldi build.*` where the settings choose another builder: from them to docker's arguments and environment."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goldi_tasks.bake.builders import connection
from goldi_tasks.errors import NoEngine, SettingsError
from tests.door.conftest import Stage, one_sentence
from tests.real import far

pytestmark = pytest.mark.door

RUNS = "Name: x\nNodes:\nStatus:           running\n"
IDLE = RUNS.replace("running", "inactive")
BAKED = {"production": {"image.name": "docker.io/library/three-bears:latest"}}


def choose(stage: Stage, **given: str) -> None:
    stage.env |= {f"GOLDI_BUILDER_{name.upper()}": value for name, value in given.items()}


def calls(stage: Stage, *words: str) -> list[dict[str, Any]]:
    return [entry for entry in stage.docker.log if tuple(entry.get("argv", ())[: len(words)]) == words]


def test_builds_go_to_another_engine_and_the_images_are_looked_for_there(stage: Stage) -> None:
    choose(stage, driver="docker", endpoint="tcp://far:2375")
    # What the user's own say is of another engine.
    stage.env |= {"DOCKER_CONTEXT": "mine", "DOCKER_TLS_VERIFY": "1"}
    stage.docker.answer("buildx --builder default bake", metadata=BAKED)
    done = stage.goldi("build.prod")
    assert done.returncode == 0, done.stderr
    bake = stage.docker.only("bake")
    assert bake["argv"][:4] == ["buildx", "--builder", "default", "bake"]
    assert "--load" not in bake["argv"]
    there = {"DOCKER_HOST": "tcp://far:2375", "DOCKER_CONTEXT": "", "DOCKER_TLS_VERIFY": "", "DOCKER_CERT_PATH": ""}
    for entry in (bake, *calls(stage, "info"), *calls(stage, "image", "ls")):
        assert entry["env"].items() >= there.items()
    assert calls(stage, "info")
    assert calls(stage, "image", "ls")
    assert not calls(stage, "buildx", "ls"), "it waits for every builder"


def test_what_containers_run_is_built_here(stage: Stage) -> None:
    """Checks mount directories of this machine."""
    choose(stage, driver="docker", endpoint="tcp://far:2375")
    stage.docker.answer("image inspect", stdout="sha256:tools\n")
    script = (
        "import sys; from pathlib import Path; from goldi_tasks import settings; from goldi_tasks.bake import builds\n"
        "print(builds.ensure_image(settings.load(Path.cwd()), 'tools'))"
    )
    done = stage.run(sys.executable, "-c", script)
    assert done.returncode == 0, done.stderr
    bake = stage.docker.only("bake")
    assert "--builder" not in bake["argv"]
    assert not any("DOCKER_HOST" in entry.get("env", {}) for entry in stage.docker.log)


def test_a_builder_is_made_once_and_what_it_builds_comes_here(stage: Stage) -> None:
    choose(stage, driver="kubernetes", options="namespace=ci,replicas=2")
    stage.docker.answer("buildx inspect", stdout=IDLE)
    stage.docker.answer("buildx inspect --bootstrap", stdout=RUNS)
    assert "goldi: starting the builder" in stage.goldi("build.prod").stderr
    stage.docker.answer("buildx inspect", stdout=RUNS)
    assert "starting" not in stage.goldi("build.prod", "--force").stderr
    [made] = calls(stage, "buildx", "create")
    name = made["argv"][3]
    options = ["--driver-opt", "namespace=ci", "--driver-opt", "replicas=2"]
    assert made["argv"][4:] == ["--driver", "kubernetes", *options]
    bakes = [entry for entry in calls(stage, "buildx", "--builder", name, "bake") if "--load" in entry["argv"]]
    assert len(bakes) == 2
    assert len(calls(stage, "buildx", "inspect", "--bootstrap", name)) == 1
    # buildx knows it in a directory of ours, and of this project.
    [folder] = {entry["env"]["BUILDX_CONFIG"] for entry in (made, *bakes)}
    assert folder.startswith(f"{stage.env['HOME']}/.local/state/goldi/builders/the-pro-ject-")
    assert not any("DOCKER_HOST" in entry.get("env", {}) for entry in stage.docker.log)

    # Another setting: the one of before is ours, and goes.
    choose(stage, options="namespace=ci,replicas=3")
    assert stage.goldi("build.prod", "--force").returncode == 0
    [removed] = calls(stage, "buildx", "rm")
    assert removed["argv"] == ["buildx", "rm", "--force", name]
    assert removed["env"]["BUILDX_CONFIG"] == folder
    assert len({entry["argv"][3] for entry in calls(stage, "buildx", "create")}) == 2


def test_one_that_buildx_has_forgotten_is_made_again(stage: Stage) -> None:
    choose(stage, driver="docker-container")
    stage.docker.answer("buildx inspect", stdout=RUNS, code=[0, 1, 0], stderr="ERROR: no builder")
    assert stage.goldi("build.prod").returncode == 0
    assert stage.goldi("build.prod", "--force").returncode == 0
    assert len(calls(stage, "buildx", "create")) == 2


def lost(stage: Stage) -> "subprocess.CompletedProcess[str]":
    stage.docker.answer("version", code=1, stderr="Cannot connect to the Docker daemon at tcp://far:2375.\n")
    choose(stage, driver="docker", endpoint="tcp://far:2375")
    return stage.goldi("build.prod")


def test_one_that_cannot_be_had_is_one_sentence(stage: Stage) -> None:
    done = lost(stage)
    assert done.returncode == NoEngine.code
    said = one_sentence(done)
    assert "the builder tcp://far:2375 (docker) is not available: Cannot connect to the Docker daemon" in said
    assert "set builder.fallback" in said
    assert not calls(stage, "buildx", "bake")


def test_the_current_one_builds_instead_if_it_may(stage: Stage) -> None:
    choose(stage, fallback="1")
    done = lost(stage)
    assert done.returncode == 0, done.stderr
    assert "is not available: Cannot connect to the Docker daemon at tcp://far:2375; the current" in done.stderr
    bake = stage.docker.only("bake")
    assert "--builder" not in bake["argv"]
    assert "DOCKER_HOST" not in bake["env"]


def test_one_that_does_not_start(stage: Stage) -> None:
    choose(stage, driver="docker-container")
    stage.docker.answer("buildx inspect", stdout=IDLE)
    stage.docker.answer("buildx inspect --bootstrap", code=1, stderr="#1 pulling\n#1 ERROR: no such host\n------\n")
    done = stage.goldi("build.prod")
    assert done.returncode == NoEngine.code
    assert "is not available: no such host. Check that" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("given", "problem", "remedy"),
    [
        ({"driver": "dockr"}, "GOLDI_BUILDER_DRIVER must be 'docker' or", "Choose one"),
        ({"driver": "docker", "endpoint": "tpc://far:1"}, "the unknown scheme 'tpc'", "Did you mean 'tcp'?"),
        ({"driver": "kubernetes", "options": "namespce=ci"}, "no option 'namespce'", "Did you mean 'namespace'?"),
        ({"driver": "kubernetes", "options": "namespace"}, "must be names and values, not 'namespace'", "name=value"),
        ({"driver": "kubernetes", "endpoint": "/no/where"}, "/no/where is not a file", "kubeconfig"),
        ({"driver": "docker", "endpoint": "ssh://me@far"}, "ssh is not installed", "Install an ssh client"),
        ({"driver": "docker", "endpoint": "far-machin"}, "no context 'far-machin'", "Did you mean 'far-machine'?"),
        (
            {"driver": "docker", "endpoint": "tcp://far:1", "certificates": "/no/where"},
            "has no ca.pem: /no/where",
            "Put",
        ),
        ({"endpoint": "tcp://far:1"}, "without a driver", "Set builder.driver"),
    ],
)
def test_settings_are_checked_before_docker_is_asked(
    stage: Stage, given: dict[str, str], problem: str, remedy: str
) -> None:
    choose(stage, fallback="1", **given)
    stage.docker.answer("context ls", stdout="default\nfar-machine\n")
    done = stage.goldi("build.prod")
    assert done.returncode == SettingsError.code
    said = one_sentence(done)
    assert problem in said
    assert remedy in said
    assert {tuple(call[:2]) for call in stage.docker.calls} <= {("context", "ls")}


def test_dry_makes_nothing(stage: Stage) -> None:
    choose(stage, driver="remote", endpoint="docker-container://buildkitd")
    done = stage.goldi("--dry", "build.prod")
    assert done.returncode == 0, done.stderr
    assert not calls(stage, "buildx", "create")
    made, built = [line for line in done.stdout.splitlines() if "docker buildx" in line][:2]
    assert "--driver remote docker-container://buildkitd" in made
    assert "BUILDX_CONFIG=" in built
    assert " docker buildx --builder goldilocks-" in built


def test_the_builder_is_shown(stage: Stage) -> None:
    assert "current builder has the docker driver" in stage.goldi("build.builder").stdout
    assert json.loads(stage.goldi("build.builder", "--json").stdout)["chosen"] is False
    choose(stage, driver="docker", endpoint="ssh://me@far")
    told = json.loads(stage.goldi("build.builder", "--json").stdout)
    assert (told["answers"], told["endpoint"]) == (False, "ssh://me@far")
    assert "ssh is not installed" in told["why"]
    done = stage.goldi("build.builder")
    assert (done.returncode, done.stdout) == (NoEngine.code, "")
    assert "ssh is not installed" in one_sentence(done)
    choose(stage, fallback="1")
    assert "Until then the current builder is used" in stage.goldi("build.builder").stdout
    choose(stage, endpoint="tcp://far:2375")
    assert (
        "it answers and exports local caches; images are loaded into its own engine"
        in stage.goldi("build.builder").stdout
    )


# After the guide's `docker buildx create --use --bootstrap` where no registry answers.
DEAD_LS = """\
NAME/NODE                 DRIVER/ENDPOINT                   STATUS     BUILDKIT   PLATFORMS
goldilocks-builder*       docker-container
 \\_ goldilocks-builder0    \\_ unix:///var/run/docker.sock   inactive
default                   docker
 \\_ default                \\_ default                       running    v0.14.1    linux/amd64
"""
NOT_PULLED = (
    'Error response from daemon: failed to resolve reference "docker.io/moby/buildkit:buildx-stable-1": failed to do '
    'request: Head "https://registry-1.docker.io/v2/moby/buildkit/manifests/buildx-stable-1": dial tcp: lookup '
    "registry-1.docker.io on 10.0.0.1:53: no such host"
)
SAID = (
    "the builder goldilocks-builder cannot be started: moby/buildkit:buildx-stable-1 cannot be pulled, no such host. "
    "Run `"
)


@pytest.fixture
def dead(stage: Stage) -> Stage:
    stage.docker.answer("buildx ls", stdout=DEAD_LS)
    stage.docker.answer("buildx inspect", stdout=IDLE)
    stage.docker.answer("buildx inspect --bootstrap", code=1, stderr=f"#1 pulling\nERROR: {NOT_PULLED}\n")
    return stage


@pytest.mark.parametrize("option", [(), ("--json",), ("--create",)])
def test_a_current_builder_that_does_not_start_is_an_error(dead: Stage, option: tuple[str, ...]) -> None:
    done = dead.goldi("build.builder", *option)
    assert done.returncode == NoEngine.code
    assert SAID in done.stderr.splitlines()[-1]
    assert "build.builder --reset`" in done.stderr.splitlines()[-1]
    if option == ("--json",):
        told = json.loads(done.stdout)
        assert (told["answers"], told["chosen"]) == (False, False)


def test_a_build_by_it_is_one_sentence(dead: Stage) -> None:
    step = {"digest": "sha256:1", "name": "[internal] booting buildkit", "started": "2026-11-27T06:00:00Z"}
    step |= {"completed": "2026-11-27T06:00:01Z", "error": NOT_PULLED}
    dead.docker.answer("buildx bake", code=1, stderr=f"{json.dumps({'vertexes': [step]})}\nERROR: {NOT_PULLED}\n")
    done = dead.goldi("build.prod", "--progress", "quiet")
    assert done.returncode == NoEngine.code
    assert SAID in one_sentence(done)


def test_reset_goes_back_to_the_engine_where_none_starts(dead: Stage) -> None:
    dead.docker.answer("buildx create", code=1, stderr=f"ERROR: {NOT_PULLED}\n")
    dead.docker.answer("context show", stdout="mine\n")
    done = dead.goldi("build.builder", "--reset")
    assert done.returncode == 0, done.stderr
    acts = [call for call in dead.docker.calls if call[:2] != ["buildx", "ls"] and call[1] in ("rm", "create", "use")]
    assert acts[0] == ["buildx", "rm", "goldilocks-builder"]
    assert "--use" in acts[1], "it was the chosen one"
    assert acts[2:] == [["buildx", "rm", "--force", "goldilocks-builder"], ["buildx", "use", "mine"]]
    assert "goldilocks-builder cannot be started and was removed: moby/buildkit:buildx-stable-1" in done.stdout
    assert "builds use the engine's own builder (`docker buildx use mine`), which keeps the build caches" in done.stdout


def test_one_that_is_not_created_leaves_nothing(stage: Stage) -> None:
    stage.docker.answer("buildx create", code=1, stderr=f"ERROR: {NOT_PULLED}\n")
    done = stage.goldi("build.builder", "--create")
    assert done.returncode == NoEngine.code
    assert "It is not needed: this engine keeps the build caches" in done.stderr.splitlines()[-1]
    assert calls(stage, "buildx", "rm", "--force", "goldilocks-builder")
    assert not calls(stage, "buildx", "use")


def test_the_doctor_finds_it(dead: Stage) -> None:
    done = dead.goldi("cache.doctor", "--json")
    (one,) = (one for one in json.loads(done.stdout)["findings"] if one["id"] == "builder-dead")
    assert one["severity"] == "error"
    assert "cannot be started: moby/buildkit:buildx-stable-1 cannot be pulled, no such host" in one["what"]
    assert "build.builder --reset" in one["remedy"]


def test_certificates_that_docker_could_not_use(stage: Stage, tmp_path: Path) -> None:
    keys = far.keys(tmp_path / "keys")

    def refused(name: str, spoil: Callable[[Path], object]) -> str:
        folder = tmp_path / name
        shutil.copytree(keys / "client", folder)
        spoil(folder)
        with pytest.raises(SettingsError) as error:
            connection.check(folder)
        return str(error.value)

    connection.check(keys / "client")
    assert "has no key.pem" in refused("none", lambda folder: (folder / "key.pem").unlink())
    said = refused("open", lambda folder: (folder / "key.pem").chmod(0o644))
    assert f"other users can read the key {tmp_path}/open/key.pem. Run `chmod go= " in said
    said = refused("mixed", lambda folder: shutil.copyfile(keys / "server.key", folder / "key.pem"))
    assert "cannot be used" in said
    assert "cannot be used" in refused("text", lambda folder: (folder / "cert.pem").write_text("hello"))
    assert "cannot be read" in refused("bytes", lambda folder: (folder / "ca.pem").write_bytes(b"\xff"))
    signed = (
        "x509",
        "-req",
        "-in",
        "client.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "-1",
    )
    said = refused("old", lambda folder: far.openssl(keys, *signed, "-out", str(folder / "cert.pem")))
    assert re.search(r"old/cert.pem expired on 20\d\d-\d\d-\d\d. Renew it", said)
