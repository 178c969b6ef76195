"""Read the host's proxies, mirrors and logins, and pass them to build steps and containers as variables.

Each program's settings are read by its own rules: pip and uv, npm, apt, git; docs/builds.md has the table.
scripts/online.sh gives them to the program. They are never printed.
"""

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from goldi_tasks import atomic, ownership, state, tempdir
from goldi_tasks.command import hide
from goldi_tasks.network import apt_config, git_settings, logins, npm_config, python_indexes
from goldi_tasks.network.config_files import Files
from goldi_tasks.settings import Settings

_PROXIES = tuple(
    name for upper in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for name in (upper, upper.lower())
)
_RELEVANT = re.compile(
    r"^(PIP|UV|NPM_CONFIG|GIT|APT|XDG_CONFIG)_|_PROXY$|^(HOME|PATH|PREFIX|NETRC|VIRTUAL_ENV|GOLDI_DEBIAN_MIRROR)$|TOKEN",
    re.IGNORECASE,
)
# The build secrets: the variable that holds each, and the program that it is for, "" for all programs.
PROGRAMS = {"GOLDI_BUILD_ENV": "", "GOLDI_PYTHON_ENV": "python", "GOLDI_NPM_ENV": "npm", "GOLDI_APT_ENV": "apt"}


@dataclass(frozen=True)
class Network:
    """The network settings: the environment, the settings of each program, and the logins of .netrc.

    `npm_project` is the text of the front end's own npmrc. `files` records which files were read.
    """

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    pip: Mapping[str, str] = field(default_factory=dict, repr=False)
    uv: Mapping[str, str] = field(default_factory=dict, repr=False)
    npmrc: Mapping[str, Any] = field(default_factory=dict, repr=False)
    npm_project: str = ""
    apt: apt_config.Apt = field(default_factory=apt_config.Apt, repr=False)
    git_config: git_settings.Entries = field(default=(), repr=False)
    netrc: logins.Netrc | None = None
    files: Files = field(default_factory=Files)

    def variables(self, program: str = "", *, with_logins: bool = True) -> dict[str, str]:
        """Return the variables for `program`: python, npm or apt, "" for all of them."""
        variables = {name: self.environ[name] for name in _PROXIES if self.environ.get(name)}
        if not with_logins:
            variables = {name: logins.split(value)[1] for name, value in variables.items()}
        if program != "apt":
            variables |= git_settings.variables(self.git_config, with_logins=with_logins)
        if program in ("", "python"):
            indexes = python_indexes.variables(self.pip, self.uv)
            variables |= indexes if with_logins else python_indexes.without_logins(indexes)
        if program in ("", "npm"):
            variables |= npm_config.variables(self.environ, self.npmrc, self.npm_project, with_logins=with_logins)
        if netrc_logins := self._netrc_logins(variables) if with_logins else []:
            variables["GOLDI_NETRC"] = logins.netrc_text(netrc_logins)
        if program in ("", "apt"):
            variables |= apt_config.variables(self.apt, with_logins=with_logins)
        return variables

    @property
    def secrets(self) -> set[str]:
        """Return passwords and tokens that must not be printed: as written, percent-decoded, and as sent in base64."""
        variables = self.variables()
        secrets = {*apt_config.secrets(self.apt), *npm_config.secrets(self.environ, self.npmrc, self.npm_project)}
        secrets |= {
            secret for name, text in variables.items() if name != "GOLDI_NPMRC" for secret in logins.secrets(text)
        }
        secrets |= git_settings.secrets(self.git_config)
        for _, user, password in self._netrc_logins(variables):
            secrets |= {password, *logins.pair(user, password)}
        secrets |= {
            value for name, value in variables.items() if logins.is_secret(name) and not name.endswith("_USERNAME")
        }
        return secrets - {""}

    def _netrc_logins(self, variables: Mapping[str, str]) -> list[tuple[str, str, str]]:
        """Return host, user and password for the servers in `variables`; a proxy has its login in its address."""
        texts = [text for name, text in variables.items() if name not in _PROXIES]
        hosts = {logins.host(address) for text in texts for address in logins.addresses(text)}
        hosts |= npm_config.hosts(self.npmrc) if "GOLDI_NPMRC" in variables else set()
        return self.netrc.lines(hosts) if self.netrc else []


def read(frontend: Path, environ: Mapping[str, str] = os.environ) -> Network:
    """Read the settings of the user with `environ` and of the `frontend` directory; register secrets to be masked."""
    files = Files()
    network = Network(
        environ=dict(environ),
        pip=python_indexes.pip_variables(python_indexes.read_pip(environ, files)),
        uv=python_indexes.read_uv(environ, files),
        npmrc=npm_config.read(environ, files),
        npm_project=files.read(frontend / ".npmrc"),
        apt=apt_config.read(environ, files),
        git_config=git_settings.read(environ, files),
        netrc=logins.Netrc(environ, files),
        files=files,
    )
    hide(network.secrets)
    return network


@cache
def _read_once(frontend: Path) -> Network:
    """Read the settings once in this process, and print which files are ignored."""
    network = read(frontend)
    for problem in network.files.problems:
        print(f"goldi: {problem}", file=sys.stderr, flush=True)
    return network


def text(settings: Settings, program: str = "", *, with_logins: bool = True) -> str:
    """Return a line `export NAME='value'` for each variable, for scripts/online.sh; "" if there is none."""
    if settings.host_network == "none":
        return ""
    variables = _read_project(settings).variables(program, with_logins=with_logins and settings.host_network == "all")
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def files(settings: Settings) -> list[Path]:
    """Return every file that the settings may come from, whether it exists or not."""
    return _read_project(settings).files.candidates


def _read_project(settings: Settings) -> Network:
    return _read_once(settings.project / settings.app / "frontend")


def select_variables(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables of `environ` that the network settings depend on."""
    return {name: value for name, value in environ.items() if _RELEVANT.search(name)}


def secrets(settings: Settings) -> dict[str, str]:
    """Return the variables from which bake and compose take a build's secrets."""
    exports = {name: text(settings, program) for name, program in PROGRAMS.items()}
    return {name: lines for name, lines in exports.items() if lines}


@contextmanager
def file(settings: Settings, *, with_logins: bool = False) -> Iterator[Path]:
    """Write the variables for all programs to a private file that exists while the block runs."""
    folder = state.folder("network")
    state.make(folder)
    with tempdir.directory(folder) as temporary:
        path = temporary / "build_env"
        atomic.write(
            path, text(settings, with_logins=with_logins).encode(errors="surrogateescape"), owner=ownership.owner()
        )
        yield path
