"""What the doctor makes of answers: values in, findings out."""

from pathlib import Path
from typing import Any

import pytest

from goldi_tasks.client.system_info import Docker
from goldi_tasks.engine.emulation import Handler
from goldi_tasks.errors import NoEngine, NoPermission
from goldi_tasks.maintenance.doctor import fact_checks, finding, gc_findings, judge
from goldi_tasks.maintenance.doctor.facts import Answers, Folder, Registry, Root, Space
from goldi_tasks.maintenance.doctor.finding import Finding, Fix

DATA = Path(__file__).parent / "data"
WELL = Space(100 * 10**9, 50 * 10**9, 10**7, 9 * 10**6)
DOCKER = Docker((26, 1, 5), (0, 13, 1), "containerd", "docker", ("default",), rootless=False, platform="linux/amd64")


def found(**answers: Any) -> dict[str, Finding]:
    """The findings by their names."""
    return {one.id: one for one in judge(Answers(**answers))}


def docker(**fields: Any) -> Docker:
    return Docker(**{**vars(DOCKER), **fields})


def root(kind: str = "ext4", **space: Any) -> Root:
    return Root(Path("/c"), True, kind, Space(**{**vars(WELL), **space}))


def test_a_healthy_machine() -> None:
    folder = Folder("pip-cache", Path("/c/pip-cache"), 0o40700, 1000, tagged=True)
    env = {"GOLDI_CACHE_ROOT": "/c"}
    well = Answers(
        owner=1000,
        roots=(root(),),
        folders=(folder,),
        docker=DOCKER,
        compose=(2, 26),
        data=WELL,
        env=env,
        expected_env=env,
    )
    assert judge(well) == []
    assert list(finding.format_findings([])) == ["nothing wrong"]
    assert finding.failure([]) is None


@pytest.mark.parametrize(
    ("answer", "name", "severity"),
    [
        (root("tmpfs"), "root-tmpfs", "warning"),
        *((root(kind), "root-network", "warning") for kind in ("nfs4", "cifs", "9p", "virtiofs", "fuse.sshfs")),
        (root(free=4 * 10**9), "root-space", "warning"),
        (root(free=9 * 10**8), "root-space", "error"),
        (root(total=10**9, free=5 * 10**7), "root-space", "warning"),
        (root(read_only=True), "root-read-only", "error"),
        (root(inodes_free=50_000), "root-inodes", "warning"),
    ],
)
def test_file_systems(answer: Root, name: str, severity: str) -> None:
    told = found(roots=(answer,))
    assert {one: told[one].severity for one in told} == {name: severity}
    assert told[name].remedy


@pytest.mark.parametrize(
    "answer", [root(), root("btrfs", inodes=0, inodes_free=0), root(total=10**9, free=2 * 10**8), root("overlay")]
)
def test_file_systems_that_will_do(answer: Root) -> None:
    assert found(roots=(answer,)) == {}


def test_the_engines_data_is_told_of_once() -> None:
    full = Space(100 * 10**9, 0)
    assert found(data=full)["engine-space"].severity == "error"
    assert "engine-space" not in found(data=full, roots=(Root(Path("/c"), True, "ext4", full),))


def test_a_root_that_the_engine_does_not_see() -> None:
    assert "does not see /c" in found(invisible_roots=(Path("/c"),))["root-not-seen"].what


@pytest.mark.parametrize(
    ("mode", "uid", "tagged", "name", "fix"),
    [
        (0o120777, 1000, True, "folder-link", None),
        (0o100600, 1000, True, "folder-no-directory", None),
        (0o40700, 0, True, "folder-owner", None),
        (0o40720, 1000, True, "folder-mode", Fix("chmod", "pip-cache")),
        (0o41777, 1000, True, "folder-mode", Fix("chmod", "pip-cache")),
        (0o40500, 1000, True, "folder-mode", Fix("chmod", "pip-cache")),
        (0o40777, 1000, False, "folder-mode", None),
        (0o40700, 1000, False, "folder-untagged", None),
    ],
)
def test_directories(mode: int, uid: int, tagged: bool, name: str, fix: Fix | None) -> None:
    told = found(owner=1000, folders=(Folder("pip-cache", Path("/c/pip-cache"), mode, uid, tagged),))
    assert told[name].fix == fix
    assert told[name].severity == ("warning" if name == "folder-untagged" else "error")


def test_what_is_missing_is_one_note_that_can_be_mended() -> None:
    folders = tuple(Folder(name, Path("/c") / name) for name in ("a", "b", "c", "d"))
    (told,) = judge(Answers(folders=folders))
    assert (told.severity, told.what, told.fix) == (
        "note",
        "missing cache directories: /c/a, /c/b, /c/c and 1 more",
        Fix("make"),
    )


@pytest.mark.parametrize("tagged", [True, False])
def test_leftovers_are_removed_from_caches_of_ours_only(tagged: bool) -> None:
    folder = Folder("uv-cache", Path("/c/uv-cache"), 0o40700, 7, tagged, strangers=("x", "y"), unread=("x",))
    told = found(owner=7, folders=(folder,))["folder-leftovers"]
    assert told.what == "/c/uv-cache has files of another user: x, y"
    assert told.fix == (Fix("remove", "uv-cache") if tagged else None)


def test_another_builder_is_named() -> None:
    told = found(settings_builder="remote tcp://far:1234")["builder-elsewhere"]
    assert "remote tcp://far:1234" in told.what
    assert told.severity == "note"


def test_leftovers_in_the_project_are_left_to_the_user() -> None:
    told = found(owner=7, leftovers=(Path("/p/node modules"),))["project-leftovers"]
    assert "sudo chown -hR 7 '/p/node modules'" in told.remedy
    assert told.fix is None


def test_the_engine_that_is_not_there() -> None:
    assert found(problem=NoEngine("no Docker engine answers", "Start it"))["engine-missing"].severity == "error"
    assert "engine-permission" in found(problem=NoPermission("no", "Be root"))
    assert "from the builder" in found(late=("the builder",))["no-answer"].what


@pytest.mark.parametrize(
    ("fields", "compose", "name", "severity"),
    [
        ({"engine": (20, 10, 24)}, None, "engine-old", "error"),
        ({"buildx": (0, 12, 1)}, None, "buildx-old", "error"),
        ({"buildx": ()}, None, "buildx-missing", "error"),
        ({}, (), "compose-missing", "warning"),
        ({}, (2, 12, 2), "compose-old", "warning"),
        ({"store": "classic"}, None, "export-inline", "warning"),
        ({"store": "classic", "builders": ("goldilocks-builder",)}, None, "export-elsewhere", "note"),
        ({"rootless": True}, None, "engine-rootless", "note"),
    ],
)
def test_engines(fields: dict[str, Any], compose: tuple[int, ...] | None, name: str, severity: str) -> None:
    told = found(docker=docker(**fields), compose=compose)
    assert {one: told[one].severity for one in told} == {name: severity}


def test_what_plain_bake_has_to_be_told() -> None:
    assert "--allow=fs=/c" in found(docker=docker(buildx=(0, 29, 1)), roots=(root(),))["bake-allow"].remedy


def test_security_options() -> None:
    info = {"SecurityOptions": ["name=seccomp,profile=builtin", "name=selinux", "name=userns"]}
    assert {"engine-userns", "selinux"} <= found(docker=DOCKER, info=info, selinux=True, roots=(root(),)).keys()
    assert "selinux" not in found(docker=DOCKER, info=info)


def losses(name: str) -> list[tuple[str, str]]:
    """What the rules drop that buildx printed into the file."""
    nodes = gc_findings.parse((DATA / name).read_text(encoding="utf-8"))
    return [loss for rules in nodes for loss in gc_findings.losses(rules)]


def test_buildkits_own_rules_of_0_13() -> None:
    """Its first rule, with commas, matches nothing."""
    (rules,) = gc_findings.parse((DATA / "inspect-0.13-default.txt").read_text(encoding="utf-8"))
    assert len(rules) == 4
    assert not rules[0].drops(gc_findings.MOUNT)
    assert (rules[1].hours, round(rules[1].keep / 1e9)) == (1440, 26)
    said = "with layers, the least recently used first, once the build cache is larger than 26.0 GB"
    assert losses("inspect-0.13-default.txt") == [("note", said)]


def test_buildkits_own_rules_since_their_filters_match() -> None:
    """Composed from the sources of buildx and BuildKit of mid-2026."""
    soon, later = losses("inspect-new-default.txt")
    assert soon == ("warning", "2 days after their last use, once the build cache is larger than 12.6 GB")
    said = (
        "with layers, the least recently used first, once less than 49.4 GB of the disk is free or the build cache is"
    )
    assert later == ("note", f"{said} larger than 196.4 GB")


def test_our_rules_lose_nothing() -> None:
    (rules,) = gc_findings.parse((DATA / "inspect-0.13-ours.txt").read_text(encoding="utf-8"))
    assert [rule.drops(gc_findings.MOUNT) for rule in rules] == [False, False, True, *[False] * 5, True]
    assert losses("inspect-0.13-ours.txt") == []


@pytest.mark.parametrize(
    ("lines", "severity", "said"),
    [
        ("All: true\n Keep Bytes: 20GiB", "note", "with layers, the least recently used first, once"),
        (
            "All: false\n Filters: type==exec.cachemount\n Keep Duration: 36h0m0s",
            "warning",
            "36 hours after their last",
        ),
        ("All: false\n Filters: type!=regular\n Keep Bytes: 1GB", "note", "the least recently used first, once"),
        ('All: false\n Filters: type~="exec.*"', "warning", "the least recently used first"),
        ("All: true\n Filters: type==regular type==exec.cachemount\n Keep Bytes: 1kB", "note", "with layers"),
    ],
)
def test_rules(lines: str, severity: str, said: str) -> None:
    inspect = f"Name: b\n\nNodes:\nName: b0\nStatus: running\nGC Policy rule#0:\n {lines}\n"
    (told,) = judge(Answers(builder="b", inspect=inspect, docker=DOCKER))
    assert (told.id, told.severity) == ("collection", severity)
    assert told.what.startswith(f"cache mounts of the builder b are dropped {said}")
    assert "daemon.json" in told.remedy


def test_a_builder_without_rules_and_one_that_sleeps() -> None:
    inspect = "Name: b\n\nNodes:\nName: b0\nStatus: {}\n"
    assert "collection-off" in found(inspect=inspect.format("running"))
    assert found(inspect=inspect.format("inactive")) == {}


def test_nodes_have_rules_of_their_own() -> None:
    node = "Name: b{0}\nStatus: running\nGC Policy rule#0:\n All: true\n Keep Bytes: {0}GB\n\n"
    told = judge(Answers(inspect=f"Name: b\n\nNodes:\n{node.format(1)}{node.format(2)}"))
    assert [one.what[-6:] for one in told] == ["1.0 GB", "2.0 GB"]


@pytest.mark.parametrize(
    ("line", "alone"), [("linux/amd64, linux/amd64/v2", True), ("linux/amd64, linux/arm64", False)]
)
def test_platforms(line: str, *, alone: bool) -> None:
    assert ("binfmt" in found(inspect=f"Platforms: {line}\n")) is alone


def test_a_handler_that_containers_do_not_find() -> None:
    handlers = (
        Handler("qemu-arm", enabled=True, flags="OC"),
        Handler("qemu-s390x", enabled=False, flags=""),
        Handler("qemu-aarch64", enabled=True, flags="POCF"),
    )
    assert "qemu-arm " in found(handlers=handlers)["binfmt-flag"].what


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("python:3.13", fact_checks.HUB),
        ("library/python", fact_checks.HUB),
        ("docker.io/library/python", fact_checks.HUB),
        ("localhost/goldi/python:3.13", "localhost"),
        ("localhost:5000/python", "localhost:5000"),
        ("mirror.invalid/python", "mirror.invalid"),
    ],
)
def test_the_registry_of_an_image(image: str, host: str) -> None:
    assert fact_checks.host(image) == host


def test_registries() -> None:
    assert found(registries=(Registry("r.invalid", True),)) == {}
    assert found(registries=(Registry("r.invalid", False),))["registry"].severity == "note"
    assert found(registries=(Registry("r.invalid", False, "r.invalid/x"),))["registry"].severity == "warning"
    told = found(info={"RegistryConfig": {"Mirrors": ["https://m.invalid/"]}})["registry-mirrors"]
    assert "https://m.invalid/" in told.what


def test_what_the_project_says_of_the_machine() -> None:
    wanted = {"GOLDI_CACHE_ROOT": "/c", "GOLDI_UID": "7"}
    assert found(env={"PYTHON_IMAGE": "x"}, expected_env=wanted)["env-missing"].fix == Fix("env")
    stale = found(env={**wanted, "GOLDI_CACHE_ROOT": "/old"}, expected_env=wanted)["env-stale"]
    assert (stale.severity, stale.fix) == ("warning", Fix("env"))
    assert "GOLDI_CACHE_ROOT=/old, but it should be /c" in stale.what
    volumes = {"x_venv": "/old/goldilocks-venv/p", "x_mypy": "/c/mypy-cache/p"}
    told = found(volumes=volumes, cache_paths=frozenset({"/c/mypy-cache/p"}))
    assert "the volume x_venv still uses /old/goldilocks-venv/p" in told["volume-stale"].what


def test_how_it_ends() -> None:
    note, warning = Finding("n", "note", "x"), Finding("w", "warning", "y", "Do", Fix("make"))
    error = Finding("e", "error", "odd \x1b[2J name")
    assert finding.failure([note]) is None
    failure = finding.failure([note, warning, warning, error])
    assert failure is not None
    assert failure.code == 21
    assert str(failure) == ("cache.doctor found 1 error and 2 warnings. `inv cache.doctor --fix` fixes 2 of them.")
    lines = list(finding.format_findings([note, warning, error]))
    assert lines == [
        *("errors:", "  e: odd \\x1b[2J name", "warnings:", "  w: y", "    Do (--fix does it)", "notes:", "  n: x"),
    ]
    assert [one["severity"] for one in finding.as_json([note, warning, error])] == ["error", "warning", "note"]
