"""Indexes of Python packages: pip's settings for pip, uv's for uv, and each one's for the other where it has none."""

import configparser
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from goldi_tasks.network import logins
from goldi_tasks.network.config_files import Files, home_of

# Options of pip that concern the network, as its files name them, and other names of theirs. `use-deprecated =
# legacy-certs` is for servers whose certificates pip's own way cannot check, such as addresses.
_LISTS = ("extra-index-url", "trusted-host", "find-links", "use-deprecated")
_PIP = ("index-url", "proxy", "timeout", "retries", "no-index", *_LISTS)
_OTHER_NAMES = {"pypi-url": "index-url", "default-timeout": "timeout"}
_UV = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX|INDEX_\w+|EXTRA_INDEX_URL|INSECURE_HOST|HTTP_TIMEOUT|HTTP_RETRIES|INDEX_STRATEGY|OFFLINE"
    r"|FIND_LINKS)"
)
_YES = ("y", "yes", "t", "true", "on", "1")


def read_pip(environ: Mapping[str, str], files: Files) -> dict[str, str]:
    """Return pip's configuration as `pip config list` has it: keys such as `global.index-url` and `:env:.proxy`.

    Source: pip's _internal/configuration.py. PIP_ISOLATED and `isolated` turn off the user's file and variables.
    """
    found = _load_pip(environ, files, isolated=False)
    isolated = [found.get(f"{section}.isolated") for section in (":env:", "config", "global")]
    if next(filter(None, isolated), "").lower() in _YES:
        return _load_pip(environ, files, isolated=True)
    return found


def _load_pip(environ: Mapping[str, str], files: Files, *, isolated: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in _pip_files(environ, isolated):
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(files.read(path, strict=True))
        except configparser.Error as error:
            # pip itself does nothing but say so.
            files.report(path, error)
            continue
        for section in parser.sections():
            found |= {f"{section}.{_option(name)}": value for name, value in parser.items(section)}
    if not isolated:
        said = {name[4:].lower(): value for name, value in environ.items() if name.startswith("PIP_")}
        found |= {f":env:.{_option(name)}": value for name, value in said.items() if name not in ("version", "help")}
    return found


def _pip_files(environ: Mapping[str, str], isolated: bool) -> list[Path]:
    """Return pip's files, the strongest last: the machine's, the user's, the environment's, PIP_CONFIG_FILE."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == "/dev/null":
        return []
    home = home_of(environ)
    everywhere = environ.get("XDG_CONFIG_DIRS", "").strip() or "/etc/xdg"
    machine = [*(Path(top, "pip") for top in everywhere.split(":") if top), Path("/etc")]
    config = Path(environ.get("XDG_CONFIG_HOME", "").strip() or home / ".config")
    # A file that is named takes the place of the user's.
    user = [] if isolated or (named and Path(named).exists()) else [home / ".pip", config / "pip"]
    site = [Path(environ.get("VIRTUAL_ENV") or sys.prefix)]
    return [*(folder / "pip.conf" for folder in (*machine, *user, *site)), *([Path(named)] if named else [])]


def _option(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def pip_variables(found: Mapping[str, str]) -> dict[str, str]:
    """Return what `found`, pip's configuration, makes of `pip install`, as variables, without paths of the host."""
    chosen: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for key, value in found.items():
            where, _, name = key.rpartition(".")
            name = _OTHER_NAMES.get(name, name)
            if where == section and name in _PIP and value:
                chosen[name] = " ".join(value.split()) if name in _LISTS else value
    for name in ("index-url", "extra-index-url", "find-links"):
        chosen[name] = _servers(chosen.get(name, ""))
    chosen["no-index"] = "1" if chosen.get("no-index", "").lower() in _YES else ""
    return {f"PIP_{name.upper().replace('-', '_')}": value for name, value in chosen.items() if value}


def read_uv(environ: Mapping[str, str], files: Files) -> dict[str, str]:
    """Return uv's settings as variables. Source: uv's reference, Configuration files, and `uv --show-settings`.

    UV_NO_CONFIG turns the files off and UV_CONFIG_FILE takes their place. A setting of the user's wins over the
    machine's; lists are put together. What the project's own uv.toml says is in its lock.
    """
    found = _uv_variables(list(_uv_tables(environ, files)))
    said = {name: value for name, value in environ.items() if value and _UV.fullmatch(name)}
    if {"UV_INDEX", "UV_EXTRA_INDEX_URL"} & found.keys() and "UV_EXTRA_INDEX_URL" in said:
        # The one variable that has an order.
        said["UV_INDEX"] = f"{said.get('UV_INDEX', '')} {said.pop('UV_EXTRA_INDEX_URL')}".strip()
    for name, sign in (("UV_INDEX", " "), ("UV_FIND_LINKS", ","), ("UV_INSECURE_HOST", " ")):
        if name in said and name in found:
            said[name] += f"{sign}{found[name]}"
    if "UV_DEFAULT_INDEX" in said or "UV_INDEX_URL" in said:
        found = {name: value for name, value in found.items() if name not in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")}
    return found | said


def _uv_tables(environ: Mapping[str, str], files: Files) -> Iterator[Mapping[str, Any]]:
    named = environ.get("UV_CONFIG_FILE")
    if environ.get("UV_NO_CONFIG", "").lower() in _YES and not named:
        return
    home = home_of(environ)
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    machine = [Path(top, "uv/uv.toml") for top in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":") if top]
    machine = [path for path in machine if path.is_file()][:1] or [Path("/etc/uv/uv.toml")]
    for path in [Path(named)] if named else [config / "uv/uv.toml", *machine]:
        try:
            yield tomllib.loads(files.read(path))
        except tomllib.TOMLDecodeError as error:
            files.report(path, error)


def _uv_variables(tables: list[Mapping[str, Any]]) -> dict[str, str]:
    """Return the variables that say the same as `tables`, the strongest first."""

    def all_of(name: str) -> list[Any]:
        parts = [*(_table(table, "pip") for table in tables), *tables]
        return [item for part in parts for item in _list(part.get(name))]

    def first_of(name: str) -> str:
        said = [_table(table, "pip").get(name) for table in tables] + [table.get(name) for table in tables]
        return next((str(value) for value in said if value not in (None, False)), "")

    indexes = [it for it in all_of("index") if isinstance(it, dict) and it.get("url") and not it.get("explicit")]
    named = [(bool(it.get("default")), "=".join(filter(None, (it.get("name"), str(it["url"]))))) for it in indexes]
    default = [index for is_default, index in named if is_default]
    found = {
        "UV_DEFAULT_INDEX": (default or [""])[0],
        "UV_INDEX": " ".join(index for is_default, index in named if not is_default),
        "UV_INDEX_URL": "" if default else first_of("index-url"),
        "UV_EXTRA_INDEX_URL": " ".join(map(str, all_of("extra-index-url"))),
        "UV_FIND_LINKS": ",".join(_servers(" ".join(map(str, all_of("find-links")))).split()),
        "UV_INSECURE_HOST": " ".join(str(it) for table in tables for it in _list(table.get("allow-insecure-host"))),
        "UV_INDEX_STRATEGY": first_of("index-strategy"),
        # uv has no variable for it.
        "UV_OFFLINE": "1" if first_of("no-index") and not all_of("find-links") else "",
    }
    return {name: value for name, value in found.items() if value}


def variables(pip: Mapping[str, str], uv: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of both, each speaking for the other where that has no setting."""
    told = {**pip, **uv}
    uvs = uv.get("UV_DEFAULT_INDEX") or uv.get("UV_INDEX_URL")
    pips = pip.get("PIP_INDEX_URL")
    if uvs and not pips:
        # uv writes `name=address`.
        told["PIP_INDEX_URL"] = re.sub(r"^[\w.-]+=(?=http)", "", uvs)
    if pips and not uvs:
        told["UV_DEFAULT_INDEX"] = pips
    if "PIP_EXTRA_INDEX_URL" in pip and not {"UV_INDEX", "UV_EXTRA_INDEX_URL"} & uv.keys():
        # pip takes the best of all indexes. So does uv, if told; what the lock's hashes name is taken anyhow.
        told |= {"UV_EXTRA_INDEX_URL": pip["PIP_EXTRA_INDEX_URL"], "UV_INDEX_STRATEGY": "unsafe-best-match"}
    if "PIP_TRUSTED_HOST" in pip and "UV_INSECURE_HOST" not in uv:
        told["UV_INSECURE_HOST"] = pip["PIP_TRUSTED_HOST"]
    if "PIP_NO_INDEX" in pip and not (uvs or "PIP_FIND_LINKS" in pip):
        told["UV_OFFLINE"] = "1"
    if "PIP_FIND_LINKS" in pip and "UV_FIND_LINKS" not in uv:
        told["UV_FIND_LINKS"] = pip["PIP_FIND_LINKS"].replace(" ", ",")
    return told


def without_logins(told: Mapping[str, str]) -> dict[str, str]:
    """Return `told` without passwords."""
    return {name: logins.without(value) for name, value in told.items() if not logins.is_secret(name)}


def _servers(text: str) -> str:
    """Return those addresses that a container can reach: a directory of the host is none."""
    return " ".join(word for word in text.split() if word.startswith(("http://", "https://")))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _table(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = table.get(name)
    return found if isinstance(found, dict) else {}
