import hashlib
from pathlib import Path, PurePosixPath

import pytest

from goldi_tasks import paths
from goldi_tasks.paths import BY_NAME, CACHES, Cache

GUIDE = [
    *(f".buildx-cache-{target}" for target in ("builder", "tools", "runtime", "production", "devcontainer")),
    *(f"goldilocks-{name}" for name in ("venv", "node-modules", "bytecode")),
    *(f"{tool}-cache" for tool in ("pip", "npm", "pre-commit", "mypy", "pytest", "ruff")),
]
DOWNLOADS = {"pip-cache", "npm-cache", "uv-cache", "pre-commit-cache"}


def test_the_table_is_the_guides_fourteen_and_uv() -> None:
    assert len(GUIDE) == 14
    assert sorted(BY_NAME) == sorted([*GUIDE, "uv-cache"])
    assert Path("/tmp") == paths.DEFAULT_ROOT


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(CACHES)


def test_downloads_are_shared_and_what_a_project_produces_is_not() -> None:
    assert {cache.name for cache in CACHES if cache.scope == "shared"} == DOWNLOADS
    assert {cache.scope for cache in CACHES} == {"shared", "project"}


def test_mount_points_and_variables_are_unique() -> None:
    mounts = [cache.mount for cache in CACHES if cache.mount]
    variables = [cache.variable for cache in CACHES if cache.variable]
    assert len(set(mounts)) == len(mounts)
    assert len(set(variables)) == len(variables)


@pytest.mark.parametrize("cache", CACHES, ids=lambda cache: cache.name)
def test_every_row_is_complete(cache: Cache) -> None:
    assert cache.filled_by
    if cache.name.startswith(".buildx-cache-"):
        assert cache.mount is None
    else:
        assert cache.mount is not None
    if cache.variable:
        assert cache.value.count("{}") == 1


def test_a_project_row_has_a_directory_per_project_and_a_shared_one_has_not() -> None:
    root = Path("/x y")
    assert BY_NAME["mypy-cache"].path(root, "bears-01234567") == Path("/x y/mypy-cache/bears-01234567")
    assert BY_NAME["pip-cache"].path(root, "bears-01234567") == Path("/x y/pip-cache")


def test_a_build_cache_has_the_targets_name() -> None:
    assert [paths.build_cache(target).name for target in paths.TARGETS] == GUIDE[:5]


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("/home/me/Goldilocks", "goldilocks"),
        ("/home/me/my app", "my-app"),
        ("/home/me/ünï", "n"),
        ("/home/me/...", "project"),
        ("/", "project"),
        ("/a/a,b=c", "a-b-c"),
    ],
)
def test_a_project_key_is_a_readable_name_and_eight_digits_of_the_path(folder: str, name: str) -> None:
    digits = hashlib.sha256(folder.encode()).hexdigest()[:8]
    assert paths.project_key(Path(folder)) == f"{name}-{digits}"


def test_two_checkouts_of_one_project_have_two_keys() -> None:
    assert paths.project_key(Path("/a/app")) != paths.project_key(Path("/b/app"))


@pytest.mark.parametrize(
    ("platforms", "key"),
    [
        ((), "native"),
        (("linux/amd64",), "linux-amd64"),
        (("linux/arm64", "linux/amd64"), "linux-amd64_linux-arm64"),
        (("linux/amd64", "linux/arm64"), "linux-amd64_linux-arm64"),
    ],
)
def test_a_platform_set_has_one_key_in_any_order(platforms: tuple[str, ...], key: str) -> None:
    assert paths.platform_key(platforms) == key


def test_the_tag_is_that_of_the_cache_directory_specification() -> None:
    assert paths.TAG_FILE == "CACHEDIR.TAG"
    assert paths.TAG_TEXT.startswith("Signature: 8a477f597d28d172789f06886806bc55\n")


def test_mount_points_are_in_the_container_or_below_the_app() -> None:
    relative = [cache.name for cache in CACHES if cache.mount and not cache.mount.is_absolute()]
    assert relative == ["goldilocks-node-modules"]
    absolute = [cache.mount for cache in CACHES if cache.mount and cache.mount.is_absolute()]
    assert all(mount.is_relative_to(PurePosixPath("/cache")) for mount in absolute)
