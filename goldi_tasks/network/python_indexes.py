"""Read the package indexes of pip and uv; either program gets the other's settings if it has none of its own."""

import configparser
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from goldi_tasks.network import logins
from goldi_tasks.network.config_files import Files, home_of

# Options of pip that concern the network, by their names in its files, and their aliases. `use-deprecated =
# legacy-certs` is for servers whose certificates pip's default cannot verify, such as IP addresses.
_PIP_LISTS = ("extra-index-url", "trusted-host", "find-links", "use-deprecated")
_PIP_OPTIONS = ("index-url", "proxy", "timeout", "retries", "no-index", *_PIP_LISTS)
_PIP_ALIASES = {"pypi-url": "index-url", "default-timeout": "timeout"}
_UV_VARIABLES = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX|INDEX_\w+|EXTRA_INDEX_URL|INSECURE_HOST|HTTP_TIMEOUT|HTTP_RETRIES|INDEX_STRATEGY|OFFLINE"
    r"|FIND_LINKS)"
)
_TRUE = ("y", "yes", "t", "true", "on", "1")


def read_pip(environ: Mapping[str, str], files: Files) -> dict[str, str]:
    """Return pip's configuration as in `pip config list`: keys such as `global.index-url` and `:env:.proxy`.

    Source: pip's _internal/configuration.py. PIP_ISOLATED and `isolated` turn off the user's file and variables.
    """
    config = _load_pip(environ, files, isolated=False)
    isolated = [config.get(f"{section}.isolated") for section in (":env:", "config", "global")]
    if next(filter(None, isolated), "").lower() in _TRUE:
        return _load_pip(environ, files, isolated=True)
    return config


def _load_pip(environ: Mapping[str, str], files: Files, *, isolated: bool) -> dict[str, str]:
    config: dict[str, str] = {}
    for path in _pip_files(environ, isolated):
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(files.read(path, strict=True))
        except configparser.Error as error:
            # pip itself does nothing but report this.
            files.report(path, error)
            continue
        for section in parser.sections():
            config |= {f"{section}.{_normalize_option(name)}": value for name, value in parser.items(section)}
    if not isolated:
        variables = {name[4:].lower(): value for name, value in environ.items() if name.startswith("PIP_")}
        config |= {
            f":env:.{_normalize_option(name)}": value
            for name, value in variables.items()
            if name not in ("version", "help")
        }
    return config


def _pip_files(environ: Mapping[str, str], isolated: bool) -> list[Path]:
    """Return pip's files, the strongest last: the machine's, the user's, the virtual environment's, PIP_CONFIG_FILE."""
    config_file = environ.get("PIP_CONFIG_FILE")
    if config_file == "/dev/null":
        return []
    home = home_of(environ)
    config_dirs = environ.get("XDG_CONFIG_DIRS", "").strip() or "/etc/xdg"
    machine = [*(Path(top, "pip") for top in config_dirs.split(":") if top), Path("/etc")]
    config = Path(environ.get("XDG_CONFIG_HOME", "").strip() or home / ".config")
    # PIP_CONFIG_FILE replaces the user's file.
    user = [] if isolated or (config_file and Path(config_file).exists()) else [home / ".pip", config / "pip"]
    site = [Path(environ.get("VIRTUAL_ENV") or sys.prefix)]
    return [
        *(folder / "pip.conf" for folder in (*machine, *user, *site)),
        *([Path(config_file)] if config_file else []),
    ]


def _normalize_option(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def pip_variables(config: Mapping[str, str]) -> dict[str, str]:
    """Return the options of `pip install` in `config` (from `read_pip`) as variables, without paths of the host."""
    options: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for key, value in config.items():
            key_section, _, name = key.rpartition(".")
            name = _PIP_ALIASES.get(name, name)
            if key_section == section and name in _PIP_OPTIONS and value:
                options[name] = " ".join(value.split()) if name in _PIP_LISTS else value
    for name in ("index-url", "extra-index-url", "find-links"):
        options[name] = _keep_servers(options.get(name, ""))
    options["no-index"] = "1" if options.get("no-index", "").lower() in _TRUE else ""
    return {f"PIP_{name.upper().replace('-', '_')}": value for name, value in options.items() if value}


def read_uv(environ: Mapping[str, str], files: Files) -> dict[str, str]:
    """Return uv's settings as variables. Source: uv's reference, Configuration files, and `uv --show-settings`.

    UV_NO_CONFIG turns the files off, UV_CONFIG_FILE replaces them. The user's settings override the machine's; lists
    are concatenated. The project's own uv.toml is not read: its indexes are in the lock.
    """
    from_files = _uv_variables(list(_uv_tables(environ, files)))
    from_environ = {name: value for name, value in environ.items() if value and _UV_VARIABLES.fullmatch(name)}
    if {"UV_INDEX", "UV_EXTRA_INDEX_URL"} & from_files.keys() and "UV_EXTRA_INDEX_URL" in from_environ:
        # Only UV_INDEX keeps the order of both.
        from_environ["UV_INDEX"] = (
            f"{from_environ.get('UV_INDEX', '')} {from_environ.pop('UV_EXTRA_INDEX_URL')}".strip()
        )
    for name, separator in (("UV_INDEX", " "), ("UV_FIND_LINKS", ","), ("UV_INSECURE_HOST", " ")):
        if name in from_environ and name in from_files:
            from_environ[name] += f"{separator}{from_files[name]}"
    if "UV_DEFAULT_INDEX" in from_environ or "UV_INDEX_URL" in from_environ:
        from_files = {
            name: value for name, value in from_files.items() if name not in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
        }
    return from_files | from_environ


def _uv_tables(environ: Mapping[str, str], files: Files) -> Iterator[Mapping[str, Any]]:
    config_file = environ.get("UV_CONFIG_FILE")
    if environ.get("UV_NO_CONFIG", "").lower() in _TRUE and not config_file:
        return
    home = home_of(environ)
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    machine = [Path(top, "uv/uv.toml") for top in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":") if top]
    machine = [path for path in machine if path.is_file()][:1] or [Path("/etc/uv/uv.toml")]
    for path in [Path(config_file)] if config_file else [config / "uv/uv.toml", *machine]:
        try:
            yield tomllib.loads(files.read(path))
        except tomllib.TOMLDecodeError as error:
            files.report(path, error)


def _uv_variables(tables: list[Mapping[str, Any]]) -> dict[str, str]:
    """Return the variables that are equivalent to the `tables` of uv.toml, the strongest first."""

    def all_of(name: str) -> list[Any]:
        parts = [*(_table(table, "pip") for table in tables), *tables]
        return [item for part in parts for item in _list(part.get(name))]

    def first_of(name: str) -> str:
        values = [_table(table, "pip").get(name) for table in tables] + [table.get(name) for table in tables]
        return next((str(value) for value in values if value not in (None, False)), "")

    entries = [entry for entry in all_of("index") if isinstance(entry, dict)]
    entries = [entry for entry in entries if entry.get("url") and not entry.get("explicit")]
    indexes = [
        (bool(entry.get("default")), "=".join(filter(None, (entry.get("name"), str(entry["url"])))))
        for entry in entries
    ]
    default = [index for is_default, index in indexes if is_default]
    insecure_hosts = [host for table in tables for host in _list(table.get("allow-insecure-host"))]
    variables = {
        "UV_DEFAULT_INDEX": (default or [""])[0],
        "UV_INDEX": " ".join(index for is_default, index in indexes if not is_default),
        "UV_INDEX_URL": "" if default else first_of("index-url"),
        "UV_EXTRA_INDEX_URL": " ".join(map(str, all_of("extra-index-url"))),
        "UV_FIND_LINKS": ",".join(_keep_servers(" ".join(map(str, all_of("find-links")))).split()),
        "UV_INSECURE_HOST": " ".join(map(str, insecure_hosts)),
        "UV_INDEX_STRATEGY": first_of("index-strategy"),
        # uv has no variable for no-index.
        "UV_OFFLINE": "1" if first_of("no-index") and not all_of("find-links") else "",
    }
    return {name: value for name, value in variables.items() if value}


def variables(pip: Mapping[str, str], uv: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of both; where one has no setting it gets that of the other."""
    variables = {**pip, **uv}
    uv_index = uv.get("UV_DEFAULT_INDEX") or uv.get("UV_INDEX_URL")
    pip_index = pip.get("PIP_INDEX_URL")
    if uv_index and not pip_index:
        # uv writes `name=address`.
        variables["PIP_INDEX_URL"] = re.sub(r"^[\w.-]+=(?=http)", "", uv_index)
    if pip_index and not uv_index:
        variables["UV_DEFAULT_INDEX"] = pip_index
    if "PIP_EXTRA_INDEX_URL" in pip and not {"UV_INDEX", "UV_EXTRA_INDEX_URL"} & uv.keys():
        # pip takes the best version of all indexes, and so does uv with this strategy; the lock's hashes still apply.
        variables |= {"UV_EXTRA_INDEX_URL": pip["PIP_EXTRA_INDEX_URL"], "UV_INDEX_STRATEGY": "unsafe-best-match"}
    if "PIP_TRUSTED_HOST" in pip and "UV_INSECURE_HOST" not in uv:
        variables["UV_INSECURE_HOST"] = pip["PIP_TRUSTED_HOST"]
    if "PIP_NO_INDEX" in pip and not (uv_index or "PIP_FIND_LINKS" in pip):
        variables["UV_OFFLINE"] = "1"
    if "PIP_FIND_LINKS" in pip and "UV_FIND_LINKS" not in uv:
        variables["UV_FIND_LINKS"] = pip["PIP_FIND_LINKS"].replace(" ", ",")
    return variables


def without_logins(variables: Mapping[str, str]) -> dict[str, str]:
    """Return `variables` without logins."""
    return {name: logins.without(value) for name, value in variables.items() if not logins.is_secret(name)}


def _keep_servers(text: str) -> str:
    """Return the http and https addresses in `text`; directories of the host do not exist in a container."""
    return " ".join(word for word in text.split() if word.startswith(("http://", "https://")))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _table(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    subtable = table.get(name)
    return subtable if isinstance(subtable, dict) else {}
