"""Load settings from a project's pyproject.toml, the environment and the machine."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goldi_tasks import paths
from goldi_tasks.errors import SettingsError, did_you_mean
from goldi_tasks.settings import default_root, read
from goldi_tasks.settings.keys import KEYS, ROOTS, VARIABLES
from goldi_tasks.settings.model import Settings
from goldi_tasks.settings.values import is_so

CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


def load(start: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of the project that contains `start`. Raises NotAProject, SettingsError, CacheRefused."""
    project = read.find_project(start)
    if (printable := str(project).encode("utf-8", "backslashreplace").decode()) != str(project):
        problem = f"the path {printable} is not UTF-8, which Docker requires"
        raise SettingsError(problem, "Rename the directory")
    return _fill(_settings(project, read.given(project), environ), environ)


def outside(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings where there is no project: the environment's and the defaults.

    Raises SettingsError, CacheRefused.
    """
    return _settings(Path.cwd(), {}, environ)


def _settings(project: Path, raw_values: dict[str, tuple[Any, str]], environ: Mapping[str, str]) -> Settings:
    for name, key in KEYS.items():
        # An empty variable counts as unset.
        if environ.get(key.variable):
            raw_values[name] = (environ[key.variable], key.variable)
    for variable in environ:
        if variable.startswith("GOLDI_CACHE_ROOT_") and variable not in VARIABLES:
            known_names = [cache.root_variable for cache in paths.CACHES]
            remedy = did_you_mean(variable, known_names)
            raise SettingsError(f"no cache has the variable {variable}", remedy[0].upper() + remedy[1:])
    values: dict[str, Any] = {}
    for name, (value, source) in raw_values.items():
        if not (setting := KEYS.get(name)):
            # Suggest names of caches in the table cache-roots only.
            known_names = [key_name for key_name in KEYS if key_name.startswith(ROOTS) == name.startswith(ROOTS)]
            raise SettingsError(f"unknown setting '{name}' in {source}", did_you_mean(name, known_names).capitalize())
        values[setting.field] = setting.check(value, source if source == setting.variable else f"{source}: {name}")
    values["images_chosen"] = not raw_values.keys().isdisjoint({"images.python", "images.node"})
    if "cache_root" not in values:
        values["cache_root"], values["moved"] = default_root.choose()
    values["cache_roots"] = _roots(values["cache_root"], values)
    return Settings(project, **values)


def _roots(common: Path, values: dict[str, Any]) -> dict[str, Path]:
    """Remove the roots of single caches from `values`; return those that differ from the common one, by name."""
    roots = {cache.name: values.pop(ROOTS + cache.name, common) for cache in paths.CACHES}
    cache_roots = paths.Roots(common, {name: root for name, root in roots.items() if root != common})
    for cache in paths.CACHES if cache_roots.others else ():
        for root in cache_roots.all:
            if root.is_relative_to(cache_roots.folder(cache)):
                raise SettingsError(f"the cache root {root} lies in {cache.name}", "Clearing that would delete it")
    return dict(cache_roots.others)


def _fill(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """Return the settings with the defaults that depend on the project and the machine. Raises SettingsError."""
    app = settings.project / settings.app
    if not is_so(app.is_dir):
        raise SettingsError(
            f"app '{settings.app}' is not a directory of {settings.project}", "Set `app` in [tool.goldi]"
        )
    values = dict(vars(settings))
    values["frontend"] = (app / "frontend" / "package.json").is_file()
    if not settings.image:
        values["image"] = _image_name(app)
    if not settings.ca_bundle:
        candidates = (environ.get(name, "") for name in CA_VARIABLES)
        values["ca_bundle"] = next((path for path in candidates if path and is_so(Path(path).is_file)), "")
    else:
        values["ca_bundle"] = str(settings.project / settings.ca_bundle)
        if not is_so(Path(values["ca_bundle"]).is_file):
            raise SettingsError(f"ca-bundle {values['ca_bundle']} is not a file", "Point it to a PEM file")
    return Settings(**values)


def _image_name(app: Path) -> str:
    """Return the app's project name as an image name: lower case, single separators."""
    file = app / "pyproject.toml"
    name = read.table(file, "project").get("name") if file.is_file() else ""
    return re.sub(r"[^a-z0-9]+", "-", str(name or app.resolve().name).lower()).strip("-") or "app"
