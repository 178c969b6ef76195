"""`[tool.goldi]` of a project's pyproject.toml, and the `GOLDI_*` variables over it.

The first that is given wins: an argument, the environment variable, the key in pyproject.toml, the
default. This module is the one place where the keys are documented.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldi_tasks import amounts, default_root, paths, whose
from goldi_tasks.errors import NoPermission, NotAProject, SettingsError, did_you_mean

BAKE_FILE = Path("infrastructure/docker/docker-bake.json")


@dataclass(frozen=True)
class Settings:
    """What a project has chosen. `project` is the directory of its pyproject.toml, never set there."""

    project: Path

    app: str = "."
    """`app` (GOLDI_APP): directory of the app that is built, relative to the project."""

    image: str = ""
    """`image` (GOLDI_IMAGE): name of the images; the app's project name by default."""

    cache_root: Path = paths.DEFAULT_ROOT
    """`cache-root` (GOLDI_CACHE_ROOT): directory that holds all caches; `/tmp` by default, as in the guide, and
    `/var/tmp/goldi-<uid>` for a user who finds names of caches taken there."""

    cache_roots: Mapping[str, Path] = field(default_factory=dict)
    """`[tool.goldi.cache-roots]` (GOLDI_CACHE_ROOT_PIP_CACHE and so on): roots of single caches, by name, that have one
    of their own: with `pip-cache = "/mnt/fast"` that one is /mnt/fast/pip-cache, for builds, checks and the stack."""

    python_image: str = "python:3.13-slim-trixie"
    """`images.python` (PYTHON_IMAGE): base image with Python; a mirror's name works."""

    node_image: str = "node:22-trixie-slim"
    """`images.node` (NODE_IMAGE): base image with Node.js and npm; a mirror's name works."""

    postgres_image: str = ""
    """`images.postgres` (POSTGRES_IMAGE): image of the stack's database; what the compose file says if not given."""

    ca_bundle: str = ""
    """`ca-bundle` (GOLDI_CA_BUNDLE): certificates for build steps that download, a PEM file; found in
    SSL_CERT_FILE, REQUESTS_CA_BUNDLE, PIP_CERT, CURL_CA_BUNDLE or NODE_EXTRA_CA_CERTS if not given."""

    installer: str = "uv"
    """`installer` (GOLDI_INSTALLER): what installs Python packages in the images, `uv` or `pip`."""

    run: str = "container"
    """`run` (GOLDI_RUN): where checks run: `container`, in the tools image, or `host`, in a nox environment with the
    same lock."""

    warm: bool = True
    """`warm` (GOLDI_WARM): whether one tools container is kept for the next checks; else each gets a fresh one."""

    idle_minutes: float = 30.0
    """`idle-minutes` (GOLDI_IDLE_MINUTES): after how many minutes without a check that container ends itself."""

    max_age: float = 60 * 86400.0
    """`max-age` (GOLDI_MAX_AGE): what a project made and has not used for so long is removed, `60d` by default. In
    seconds here; 0 is no limit. Once a day, after a build or a check; `cache.prune` does it too, and more."""

    max_size: int = 0
    """`max-size` (GOLDI_MAX_SIZE): what all cache directories may hold together, such as `20GB`; projects that were not
    used for longest go first. No limit by default: one that is too small costs what the next build needs."""

    images_chosen: bool = False
    """Whether a base image was named by the user: then no engine task replaces it."""

    moved: str = field(default="", repr=False)
    """Why `cache_root` is the user's own, while it has yet to be made; never set by hand."""

    frontend: bool = False
    """Whether the app has a front end: `frontend/package.json`; never set by hand."""

    @property
    def key(self) -> str:
        """The project's name in the cache directories."""
        return paths.project_key(self.project)

    @property
    def roots(self) -> paths.Roots:
        """Where the caches lie."""
        return paths.Roots(self.cache_root, self.cache_roots, self.moved)

    @property
    def bake_file(self) -> Path:
        """The project's bake file. Raises NotAProject if there is none."""
        path = self.project / BAKE_FILE
        if not path.is_file():
            problem = f"{self.project} has no {BAKE_FILE}"
            raise NotAProject(problem, "Change to a project that has one, or copy infrastructure/docker into this one")
        return path

    @property
    def env_file(self) -> Path:
        """What compose and scripts have to know of this machine: .env beside the bake file. It may not exist."""
        return self.project / BAKE_FILE.with_name(".env")

    @property
    def made_images(self) -> str:
        """The text of that file, in which `engine.up` names the images that it made; "" if there is none.

        Raises NoPermission where somebody else could have written it.
        """
        file = self.env_file
        if not file.is_file():
            return ""
        if found := whose.of_each((file.parent, file), "another project directory", self.project.stat().st_uid):
            raise NoPermission(*found)
        return file.read_text(encoding="utf-8")


CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_ROOTS = "cache-roots."
_ENVIRONMENT = {
    "app": "GOLDI_APP",
    "image": "GOLDI_IMAGE",
    "cache-root": "GOLDI_CACHE_ROOT",
    "images.python": "PYTHON_IMAGE",
    "images.node": "NODE_IMAGE",
    "images.postgres": "POSTGRES_IMAGE",
    "ca-bundle": "GOLDI_CA_BUNDLE",
    "installer": "GOLDI_INSTALLER",
    "run": "GOLDI_RUN",
    "warm": "GOLDI_WARM",
    "idle-minutes": "GOLDI_IDLE_MINUTES",
    **{f"{_ROOTS}{cache.name}": cache.root_variable for cache in paths.CACHES},
    "max-age": "GOLDI_MAX_AGE",
    "max-size": "GOLDI_MAX_SIZE",
}


def find_project(start: Path) -> Path:
    """The nearest directory, from `start` upward, whose pyproject.toml has `[tool.goldi]`, else any pyproject.toml.

    Raises NotAProject.
    """
    start = start.resolve()
    files = [path for path in (folder / "pyproject.toml" for folder in (start, *start.parents)) if path.is_file()]
    chosen = next((path for path in files if "goldi" in _table(path, "tool")), None)
    if chosen is None and not files:
        problem = f"no pyproject.toml in {start} or above it"
        raise NotAProject(problem, "Change to a project, or make one with `uv init`")
    return (chosen or files[0]).parent


def load(start: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the project around `start`. Raises NotAProject, SettingsError, CacheRefused."""
    project = find_project(start)
    table = _table(project / "pyproject.toml", "tool").get("goldi", {})
    return _fill(_settings(project, _flatten(table), environ), environ)


def outside(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings where there is no project: the environment's and the defaults.

    Raises SettingsError, CacheRefused.
    """
    return _settings(Path.cwd(), {}, environ)


def _settings(project: Path, given: dict[str, tuple[Any, str]], environ: Mapping[str, str]) -> Settings:
    for key, variable in _ENVIRONMENT.items():
        # An empty variable is one that somebody cleared, not a choice.
        if environ.get(variable):
            given[key] = (environ[variable], variable)
    for variable in environ:
        if variable.startswith("GOLDI_CACHE_ROOT_") and variable not in _ENVIRONMENT.values():
            known = [cache.root_variable for cache in paths.CACHES]
            remedy = did_you_mean(variable, known)
            raise SettingsError(f"no cache has the variable {variable}", remedy[0].upper() + remedy[1:])
    values: dict[str, Any] = {}
    for key, (value, where) in given.items():
        if key not in _FIELDS:
            # A cache's name is meant only where the table of their roots is.
            known = [name for name in _FIELDS if name.startswith(_ROOTS) == key.startswith(_ROOTS)]
            raise SettingsError(f"unknown setting '{key}' in {where}", did_you_mean(key, known).capitalize())
        name, check = _FIELDS[key]
        values[name] = check(value, f"{where}: {key}" if where != _ENVIRONMENT[key] else where)
    values["images_chosen"] = not given.keys().isdisjoint({"images.python", "images.node"})
    if "cache_root" not in values:
        values["cache_root"], values["moved"] = default_root.choose()
    values["cache_roots"] = _roots(values["cache_root"], values)
    return Settings(project, **values)


def _roots(common: Path, values: dict[str, Any]) -> dict[str, Path]:
    """Takes the roots of single caches out of `values`; those that differ from the common one."""
    given = {cache.name: values.pop(_ROOTS + cache.name, common) for cache in paths.CACHES}
    found = paths.Roots(common, {name: root for name, root in given.items() if root != common})
    for cache in paths.CACHES if found.others else ():
        for root in found.all:
            if root.is_relative_to(found.folder(cache)):
                raise SettingsError(f"the cache root {root} lies in {cache.name}", "Clearing that would take it along")
    return dict(found.others)


def _fill(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """Defaults that depend on the project and on the machine."""
    app = settings.project / settings.app
    if not _is(app.is_dir):
        raise SettingsError(
            f"app '{settings.app}' is not a directory of {settings.project}", "Set `app` in [tool.goldi]"
        )
    values = dict(vars(settings))
    values["frontend"] = (app / "frontend" / "package.json").is_file()
    if not settings.image:
        values["image"] = _image_name(app)
    if not settings.ca_bundle:
        usual = (environ.get(name, "") for name in CA_VARIABLES)
        values["ca_bundle"] = next((path for path in usual if path and _is(Path(path).is_file)), "")
    else:
        values["ca_bundle"] = str(settings.project / settings.ca_bundle)
        if not _is(Path(values["ca_bundle"]).is_file):
            raise SettingsError(f"ca-bundle {values['ca_bundle']} is not a file", "Point it to a PEM file")
    return Settings(**values)


def _image_name(app: Path) -> str:
    """The app's project name as an image name: lower case, single separators."""
    file = app / "pyproject.toml"
    name = _table(file, "project").get("name") if file.is_file() else ""
    return re.sub(r"[^a-z0-9]+", "-", str(name or app.resolve().name).lower()).strip("-") or "app"


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        # Of the reader, of the codec, of a number with too many digits.
        raise SettingsError(f"{file} is not valid TOML: {error}", "Correct that line") from error
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}", "Make it readable") from error


def _table(file: Path, name: str) -> dict[str, Any]:
    """A top-level table of a pyproject.toml; others may have written anything there."""
    table = _read(file).get(name)
    return table if isinstance(table, dict) else {}


def _flatten(table: object) -> dict[str, tuple[Any, str]]:
    """`{"images": {"python": x}}` as `{"images.python": (x, where)}`."""
    where = "[tool.goldi]"
    if not isinstance(table, dict):
        raise SettingsError("tool.goldi is not a table", "Write it as [tool.goldi]")
    flat: dict[str, tuple[Any, str]] = {}
    for key, value in table.items():
        if key == "cache-roots" and not isinstance(value, dict):
            raise SettingsError("tool.goldi.cache-roots is not a table", "Write it as [tool.goldi.cache-roots]")
        if key in ("images", "cache-roots") and isinstance(value, dict):
            flat.update({f"{key}.{name}": (said, where) for name, said in value.items()})
        else:
            flat[key] = (value, where)
    return flat


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{where} must be a string, not {value!r}", "Put it in quotes")
    if "\0" in value:
        raise SettingsError(f"{where} must not hold a NUL, as {value!r} does", "Leave it out")
    return value


def _path(value: object, where: str) -> Path:
    try:
        return Path(_text(value, where)).expanduser()
    except RuntimeError as error:
        raise SettingsError(f"{where} names a user that is not known: '{value}'", "Write the directory out") from error


def _is(kind: Callable[[], bool]) -> bool:
    """What a path says it is; one that the system cannot look up, as a too long one, is nothing."""
    try:
        return kind()
    except (OSError, ValueError):
        return False


def _directory(value: object, where: str) -> Path:
    path = _path(value, where)
    if not path.is_absolute():
        raise SettingsError(f"{where} must be an absolute path, not '{value}'", "Begin it with / or ~")
    return path


def _file(value: object, where: str) -> str:
    return str(_path(value, where))


def _inside(value: object, where: str) -> str:
    text = _text(value, where)
    if Path(text).is_absolute() or ".." in Path(text).parts:
        raise SettingsError(f"{where} must lie inside the project, not '{text}'", "Give it relative to pyproject.toml")
    return text


def _one_of(*words: str) -> Callable[[object, str], str]:
    def check(value: object, where: str) -> str:
        if value not in words:
            known = " or ".join(f"'{word}'" for word in words)
            raise SettingsError(f"{where} must be {known}, not {value!r}", "Choose one of the two")
        return str(value)

    return check


def _switch(value: object, where: str) -> bool:
    said = {"1": True, "true": True, "0": False, "false": False}.get(str(value).lower())
    if said is None:
        raise SettingsError(f"{where} must be true or false, not {value!r}", "In a variable, 1 or 0")
    return said


def _minutes(value: object, where: str) -> float:
    try:
        minutes = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else 0.0
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 1e6:
        raise SettingsError(f"{where} must be a number of minutes above 0, not {value!r}", "Say 30, or 0.5")
    return minutes


_FIELDS: dict[str, tuple[str, Callable[[object, str], Any]]] = {
    "app": ("app", _inside),
    "image": ("image", _text),
    "cache-root": ("cache_root", _directory),
    "images.python": ("python_image", _text),
    "images.node": ("node_image", _text),
    "images.postgres": ("postgres_image", _text),
    "ca-bundle": ("ca_bundle", _file),
    "installer": ("installer", _one_of("uv", "pip")),
    "run": ("run", _one_of("container", "host")),
    "warm": ("warm", _switch),
    "idle-minutes": ("idle_minutes", _minutes),
    **{f"{_ROOTS}{cache.name}": (f"{_ROOTS}{cache.name}", _directory) for cache in paths.CACHES},
    "max-age": ("max_age", amounts.age),
    "max-size": ("max_size", amounts.size),
}
