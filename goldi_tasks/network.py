"""What this machine's configuration says of the network: proxies, indexes, registries, mirrors, as text.

Nothing is interpreted here; plan/network does that. A file that is not there or may not be read says nothing.
"""

import netrc
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from goldi_tasks import run
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed

_APT = Path("/etc/apt")
_RELEVANT = re.compile(
    r"^(PIP|UV|NPM_CONFIG)_|_PROXY$|^(HOME|XDG_CONFIG_\w+|NETRC|VIRTUAL_ENV|GOLDI_DEBIAN_MIRROR)$|TOKEN", re.IGNORECASE
)


@dataclass(frozen=True)
class Network:
    """Texts of configuration files by the program that reads them, each program's strongest file last.

    `npm_project` is the npm configuration that the project itself carries. `netrc` is login and password by
    host. `apt` is `apt-config dump Acquire` ("" where there is no apt), `apt_sources` are apt's lists of repositories,
    `apt_auth` its own login files, `os_release` is /etc/os-release.
    """

    environ: Mapping[str, str] = field(default_factory=dict)
    pip: tuple[str, ...] = ()
    uv: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    npm_project: str = ""
    netrc: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    apt: str = ""
    apt_sources: tuple[str, ...] = ()
    apt_auth: tuple[str, ...] = ()
    os_release: str = ""


def ask(frontend: Path, environ: Mapping[str, str] = os.environ) -> Network:
    """The answers for the user with `environ`, and a front end in the directory `frontend`."""
    found = {program: _texts(paths) for program, paths in _files(frontend, environ).items()}
    return Network(
        environ=dict(environ),
        pip=found["pip"],
        uv=found["uv"],
        npm=found["npm"],
        npm_project="".join(found["npm_project"]),
        netrc=_netrc(*_files(frontend, environ)["netrc"]),
        apt=_said("apt-config", "dump", "Acquire"),
        # `apt-get update --print-uris` says it too, and takes a tenth of a second.
        apt_sources=found["apt_sources"],
        apt_auth=found["apt_auth"],
        os_release="".join(found["os_release"]),
    )


def files(frontend: Path, environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Every file that `ask` reads, there or not: while none of them changes, nor `relevant` does, its answer stays."""
    apt = [_APT / "apt.conf", *sorted(_APT.glob("apt.conf.d/*"))]
    return [*apt, *(path for paths in _files(frontend, environ).values() for path in paths)]


def relevant(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that the answer depends on."""
    return {name: value for name, value in environ.items() if _RELEVANT.search(name)}


def _files(frontend: Path, environ: Mapping[str, str]) -> dict[str, list[Path]]:
    home = Path(environ.get("HOME") or "/")
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    return {
        "pip": _pip(environ, home, config),
        "uv": [Path("/etc/uv/uv.toml"), config / "uv/uv.toml", *_named(environ, "UV_CONFIG_FILE")],
        "npm": _npm(environ, home),
        "npm_project": [frontend / ".npmrc"],
        "netrc": _named(environ, "NETRC") or [home / ".netrc"],
        "apt_sources": [
            _APT / "sources.list",
            *_APT.glob("sources.list.d/*.list"),
            *_APT.glob("sources.list.d/*.sources"),
        ],
        "apt_auth": [_APT / "auth.conf", *sorted((_APT / "auth.conf.d").glob("*.conf"))],
        "os_release": [Path("/etc/os-release")],
    }


def _pip(environ: Mapping[str, str], home: Path, config: Path) -> list[Path]:
    """The files of pip. Source: pip.pypa.io, Configuration, Location."""
    every = [Path(top, "pip/pip.conf") for top in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":") if top]
    own = [home / ".pip/pip.conf", config / "pip/pip.conf"]
    site = [Path(environ["VIRTUAL_ENV"], "pip.conf")] if environ.get("VIRTUAL_ENV") else []
    return [*every, Path("/etc/pip.conf"), *own, *site, *_named(environ, "PIP_CONFIG_FILE")]


def _npm(environ: Mapping[str, str], home: Path) -> list[Path]:
    """The files of npm: the machine's, by the usual prefixes, and the user's."""
    globally = _named(environ, "NPM_CONFIG_GLOBALCONFIG", "npm_config_globalconfig")
    program = shutil.which("npm", path=environ.get("PATH"))
    prefixes = [Path("/usr"), Path("/usr/local"), *([Path(program).parent.parent] if program else [])]
    usual = [Path("/etc/npmrc"), *(prefix / "etc/npmrc" for prefix in dict.fromkeys(prefixes))]
    own = _named(environ, "NPM_CONFIG_USERCONFIG", "npm_config_userconfig") or [home / ".npmrc"]
    return [*(globally or usual), *own]


def _named(environ: Mapping[str, str], *variables: str) -> list[Path]:
    return [Path(environ[name]) for name in variables if environ.get(name)][:1]


def _texts(files: Iterable[Path]) -> tuple[str, ...]:
    found = []
    for file in dict.fromkeys(files):
        try:
            found.append(file.read_text(encoding="utf-8", errors="replace") if file.is_file() else "")
        except OSError:
            # Not ours to read, as apt's logins are root's.
            continue
    return tuple(filter(None, found))


def _netrc(file: Path) -> dict[str, tuple[str, str]]:
    try:
        hosts = netrc.netrc(str(file)).hosts if file.is_file() else {}
    except (OSError, netrc.NetrcParseError, UnicodeError):
        return {}
    return {host: (login, password or "") for host, (login, _, password) in hosts.items() if host != "default"}


def _said(*argv: str) -> str:
    try:
        return run.capture(Command(argv, {"LC_ALL": "C"})) if shutil.which(argv[0]) else ""
    except CommandFailed:
        return ""
