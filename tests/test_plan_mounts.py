"""Which cache mounts a Dockerfile has, and the throw-away builds among them."""

from pathlib import Path

import pytest

from goldi_tasks import settings
from goldi_tasks.client.system_info import Docker
from goldi_tasks.maintenance.archive import cache_key, cache_mounts, lock_files
from goldi_tasks.maintenance.archive.cache_mounts import CacheMount

ENGINE = Docker((26, 1, 5), (0, 13, 1), "containerd", "docker", ("default",), False, "linux/amd64")
REPO = Path(__file__).parents[1]


def declared(*flags: str, args: dict[str, str] | None = None) -> list[CacheMount]:
    given = " ".join(f"--mount={flag}" for flag in flags)
    text = f"ARG OUT=o\nFROM x\nARG TARGETARCH\nARG OUT\nARG NONE\nRUN {given} true\n"
    return list(cache_mounts.parse_mounts(text, args or {}, "linux/amd64").values())


def test_the_reference_app() -> None:
    text = (REPO / "infrastructure/docker/Dockerfile").read_text()
    locked = ("sharing=locked",)
    assert cache_mounts.parse_mounts(text, {}, "linux/arm64") == {
        "/root/.cache/pip": CacheMount("/root/.cache/pip", "/root/.cache/pip"),
        "apt-cache-arm64": CacheMount("apt-cache-arm64", "/var/cache/apt", locked),
        "apt-lists-arm64": CacheMount("apt-lists-arm64", "/var/lib/apt/lists", locked),
        "/root/.cache/uv": CacheMount("/root/.cache/uv", "/root/.cache/uv"),
        "/root/.cache/bytecode": CacheMount("/root/.cache/bytecode", "/root/.cache/bytecode"),
        "/root/.npm": CacheMount("/root/.npm", "/root/.npm"),
    }


@pytest.mark.parametrize(
    ("flag", "mount"),
    [
        ("type=cache,target=/a/b/", CacheMount("/a/b", "/a/b/")),
        (
            "type=cache,dst=/a,id=x-${OUT},uid=1,gid=2,mode=0700",
            CacheMount("x-o", "/a", ("uid=1", "gid=2", "mode=0700")),
        ),
        ("type=cache,target=/a,id=$TARGETARCH,sharing=private", CacheMount("amd64", "/a", ("sharing=private",))),
        ("type=cache,target=/a,id=${NONE}", None),
        ("type=cache,target=a", None),
        ("type=cache,target=/a,from=base", None),
        ('type=cache,"target=/a"', None),
        ("type=bind,target=/a", None),
    ],
)
def test_mounts(flag: str, mount: CacheMount | None) -> None:
    assert declared(flag) == ([mount] if mount else [])


def test_build_arguments_count() -> None:
    assert declared("type=cache,target=/a,id=${OUT}", args={"OUT": "given"}) == [CacheMount("given", "/a")]


def test_a_throw_away_build_repeats_the_options() -> None:
    text = cache_mounts.dockerfile("py", [CacheMount("x", "/a", ("sharing=locked", "uid=1"))], "take", "token")
    assert "FROM py\n" in text
    assert "--network=none" in text
    assert "--mount=type=cache,id=x,target=/goldi-mounts/0,sharing=locked,uid=1 " in text
    assert cache_mounts.parse_mounts(text, {}, "linux/amd64") == {
        "x": CacheMount("x", "/goldi-mounts/0", ("sharing=locked", "uid=1"))
    }


def test_the_guides_builder_is_used_where_the_engine_keeps_no_cache() -> None:
    classic = Docker((26,), (0, 13), "classic", "docker", ("default", "goldilocks-builder"), False, "linux/amd64")
    for command in (
        cache_mounts.build_command(classic, Path("/x"), "type=cacheonly", "plain"),
        cache_mounts.disk_usage_command(classic),
    ):
        assert command.argv[2:4] == ("--builder", "goldilocks-builder")
    assert "--builder" not in cache_mounts.disk_usage_command(ENGINE).argv


def record(name: str, what: str, kind: str = "regular", free: str = "true") -> str:
    return f"ID:\t\t{name}\nReclaimable:\t{free}\nDescription:\t{what}\nType:\t\t{kind}\n"


@pytest.mark.parametrize("tab", ["\t", "   "], ids=["buildx 0.13", "buildx 0.29"])
def test_only_records_of_ours_go_and_never_a_mount(tab: str) -> None:
    old = record("d0", "local source for dockerfile", "source.local")
    after = [
        old,
        record("d1", "local source for dockerfile", "source.local"),
        record("c1", "local source for context", "source.local"),
        record("l1", "local source for goldi-mounts", "source.local"),
        record("r1", "mount / from exec python3 -I /goldi-in/agent.py take goldi-mounts-1"),
        record("r2", "mount / from exec python3 -I /goldi-in/agent.py take goldi-mounts-2", free="false"),
        record("m1", 'cached mount /goldi-mounts/0 from exec python3 goldi-mounts-1 with id "/x"', "exec.cachemount"),
        record("o1", "mount / from exec /bin/sh -c true"),
        "Total:\t1GB\n",
    ]
    text = "\n".join(after).replace("\t", tab)
    assert cache_mounts.find_helper_records(text, old) == ["d1", "c1", "l1", "r1"]
    assert cache_mounts.filled(text) == {"x"}


def test_nothing_is_removed_where_a_mount_would_be_lost_by_it() -> None:
    ours = record("r1", "mount / from exec python3 -I /goldi-in/agent.py take goldi-mounts-1")
    owned = record("p1", "[internal] settings cache mount permissions")
    assert cache_mounts.find_helper_records(ours, "") == ["r1"]
    assert cache_mounts.find_helper_records(f"{ours}\n{owned}", "") == []


def test_the_id_of_a_mount_that_a_step_of_many_lines_made() -> None:
    text = record("m", 'cached mount /r from exec /bin/sh -c a\nb with id "//root/.npm"', "exec.cachemount")
    assert cache_mounts.filled(text) == {"/root/.npm"}


FILES = {"requirements.lock": b"a==1", "infrastructure/docker/Dockerfile": b"# x\nFROM a\nRUN b \\\n  c\n"}
IMAGES = {"PYTHON_IMAGE": "python:3.13"}


def test_the_key_says_platform_and_format() -> None:
    found = cache_key.key("linux/amd64", IMAGES, FILES)
    assert found.startswith("goldi-linux-amd64-1-")
    assert len(found.removeprefix(cache_key.prefix("linux/amd64"))) == 16


@pytest.mark.parametrize(
    ("name", "content", "same"),
    [
        ("requirements.lock", b"a==2", False),
        ("other.lock", b"", False),
        ("infrastructure/docker/Dockerfile", b"FROM a\n\n# y\nRUN b c\n", True),
        ("infrastructure/docker/Dockerfile", b"FROM a\nRUN b d\n", False),
    ],
)
def test_the_key_changes_with_what_counts(name: str, content: bytes, same: bool) -> None:
    again = cache_key.key("linux/amd64", IMAGES, {**FILES, name: content})
    assert (again == cache_key.key("linux/amd64", IMAGES, FILES)) == same


def test_the_key_changes_with_a_here_document() -> None:
    name = "infrastructure/docker/Dockerfile"
    keys = {cache_key.key("linux/amd64", {}, {name: b"FROM a\nRUN <<E\n%s\nE\n" % line}) for line in (b"x", b"y")}
    assert len(keys) == 2


def test_every_dockerfile_is_among_what_the_key_is_made_from(project: Path) -> None:
    folder = project / "infrastructure/docker"
    named = {"Dockerfile", "Dockerfile.base", "tools.Dockerfile"}
    for name in (*named, "Dockerfile.dockerignore"):
        (folder / name).touch()
    found = {Path(name).name for name in lock_files.read(settings.load(project, {}))}
    assert {name for name in found if "Dockerfile" in name} == named


def test_the_key_changes_with_the_base() -> None:
    assert cache_key.key("linux/amd64", {}, FILES) != cache_key.key("linux/amd64", IMAGES, FILES)
