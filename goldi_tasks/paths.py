"""The table of cache directories: their names, what fills them, and where containers mount them.

No other module of this package contains a cache path. Seven files cannot import the table and repeat parts of it:
infrastructure/docker/{Dockerfile, docker-bake.json, docker-compose.yml, setup-cache.sh},
.devcontainer/{devcontainer.json, initialize.sh} and docs/caches.md. tests/test_cache_places.py names the one that
lacks a cache; the tests in tests/contract compare what they make of it. The fourteen names of the guide are kept;
`uv-cache` is ours.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

DEFAULT_ROOT = Path("/tmp")

# What marks a directory as a cache that may be deleted and need not be backed up.
# Source: https://bford.info/cachedir/
TAG_FILE = "CACHEDIR.TAG"
TAG_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55"
TAG_TEXT = f"{TAG_SIGNATURE}\n# This directory is a cache of goldi_tasks. It may be deleted at any time.\n"


@dataclass(frozen=True)
class Cache:
    """One cache directory.

    `scope` is `shared` for downloads, which all projects of a user may share, and `project` for what
    a project produces: such a directory holds one subdirectory per project, see `project_key`.
    `mount` is the mount point in containers: None if none mounts it, relative if it lies below the app's directory.
    `variable` is the environment variable that points a tool to it ("" if it needs none); its value is `value` with
    the mount point in place of `{}`. `filled_by` names the container or the build step that fills it, for people.
    """

    name: str
    scope: Literal["shared", "project"]
    mount: PurePosixPath | None
    variable: str
    filled_by: str
    value: str = "{}"

    @property
    def root_variable(self) -> str:
        """Return the variable that sets a separate root for this cache: GOLDI_CACHE_ROOT_PIP_CACHE for `pip-cache`."""
        return "GOLDI_CACHE_ROOT_" + self.name.removeprefix(".").upper().replace("-", "_")

    def path(self, root: Path, key: str) -> Path:
        """Return the directory on the host for the project `key` under the cache root `root`."""
        return root / self.name / key if self.scope == "project" else root / self.name


@dataclass(frozen=True)
class Roots:
    """The cache roots: `others` has separate roots of single caches, by name; all other caches lie under `root`.

    `moved` is the reason why `root` is not the usual one, for the code that creates it.
    """

    root: Path = DEFAULT_ROOT
    others: Mapping[str, Path] = field(default_factory=dict)
    moved: str = ""

    def of(self, cache: Cache) -> Path:
        """Return the root of `cache`."""
        return self.others.get(cache.name, self.root)

    @property
    def all(self) -> tuple[Path, ...]:
        """Return every root under which a cache lies, the common one first."""
        return tuple(dict.fromkeys((self.root, *(self.of(cache) for cache in CACHES))))

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables for the compose file and setup-cache.sh; "" for a cache under the common root."""
        roots = {cache.root_variable: str(self.others.get(cache.name, "")) for cache in CACHES}
        return {"GOLDI_CACHE_ROOT": str(self.root), **roots}

    def folder(self, cache: Cache) -> Path:
        """Return the directory of `cache`, of all projects."""
        return self.of(cache) / cache.name

    def path(self, cache: Cache, key: str) -> Path:
        """Return the directory that the project `key` uses of `cache`."""
        return cache.path(self.of(cache), key)


def environment_under(root: Path) -> dict[str, str]:
    """Return the environment in which every cache lies under `root`, whatever a project has configured."""
    return {"GOLDI_CACHE_ROOT": str(root), **{cache.root_variable: str(root) for cache in CACHES}}


def _target(name: str) -> Cache:
    return Cache(f".buildx-cache-{name}", "project", None, "", f"bake target {name}: cache-to, cache-from")


def _project(name: str, mount: str, variable: str, filled_by: str, value: str = "{}") -> Cache:
    return Cache(name, "project", PurePosixPath(mount), variable, f"tools and dev container: {filled_by}", value)


def _shared(name: str, mount: str, variable: str, filled_by: str) -> Cache:
    return Cache(name, "shared", PurePosixPath(mount), variable, f"tools and dev container: {filled_by}")


TARGETS = ("builder", "tools", "runtime", "production", "devcontainer")

CACHES: tuple[Cache, ...] = (
    *map(_target, TARGETS),
    _project("goldilocks-venv", "/cache/venv", "UV_PROJECT_ENVIRONMENT", "uv sync"),
    _project("goldilocks-node-modules", "frontend/node_modules", "", "npm ci, npm install"),
    _project("goldilocks-bytecode", "/cache/bytecode", "PYTHONPYCACHEPREFIX", "python, for the mounted source"),
    _shared("pip-cache", "/cache/pip", "PIP_CACHE_DIR", "pip"),
    _shared("npm-cache", "/cache/npm", "NPM_CONFIG_CACHE", "npm"),
    _shared("uv-cache", "/cache/uv", "UV_CACHE_DIR", "uv"),
    _shared("pre-commit-cache", "/cache/pre-commit", "PRE_COMMIT_HOME", "pre-commit"),
    _project("mypy-cache", "/cache/mypy", "MYPY_CACHE_DIR", "mypy"),
    # pytest has no variable of its own for it.
    _project("pytest-cache", "/cache/pytest", "PYTEST_ADDOPTS", "pytest", "-o cache_dir={}"),
    _project("ruff-cache", "/cache/ruff", "RUFF_CACHE_DIR", "ruff"),
)

BY_NAME = {cache.name: cache for cache in CACHES}


def build_cache(target: str) -> Cache:
    """Return the local build cache of a bake target."""
    return BY_NAME[f".buildx-cache-{target}"]


def project_key(project: Path) -> str:
    """Return `<name>-<8 hex digits of the path's digest>`, so that two checkouts of a project share no results."""
    import hashlib  # 3 ms that `--list` does not need

    name = re.sub(r"[^a-z0-9._-]+", "-", project.name.lower()).strip("-.") or "project"
    return f"{name}-{hashlib.sha256(os.fsencode(project)).hexdigest()[:8]}"


def platform_key(platforms: tuple[str, ...]) -> str:
    """Return a directory name for a set of platforms, `native` for an empty one.

    Two platform sets in one local cache would overwrite each other's index.
    """
    return "_".join(sorted(platform.replace("/", "-") for platform in platforms)) or "native"
