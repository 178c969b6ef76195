"""What this machine's network wants of a build step, a check or a service that downloads, as an environment.

Each program's settings are read by its own rules: `python` (pip, uv), `npm`, `debian` (apt), `git`; docs/builds.md has
the table. scripts/online.sh gives them to the program. Nothing of it is ever shown.
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
# The programs that a secret of its own is made for, by the variable that holds it; "" is for all of them.
PROGRAMS = {"GOLDI_BUILD_ENV": "", "GOLDI_PYTHON_ENV": "python", "GOLDI_NPM_ENV": "npm", "GOLDI_APT_ENV": "apt"}


@dataclass(frozen=True)
class Network:
    """What was read: the `environ`ment, the settings of each program, and the logins of .netrc.

    `npm_project` is the text of the front end's own npmrc. `files` says which files it came from.
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
        """Return the environment for `program`: python, npm or apt, "" for all of them."""
        told = {name: self.environ[name] for name in _PROXIES if self.environ.get(name)}
        if not with_logins:
            told = {name: logins.split(value)[1] for name, value in told.items()}
        if program != "apt":
            told |= git_settings.variables(self.git_config, with_logins=with_logins)
        if program in ("", "python"):
            pythons = python_indexes.variables(self.pip, self.uv)
            told |= pythons if with_logins else python_indexes.without_logins(pythons)
        if program in ("", "npm"):
            told |= npm_config.variables(self.environ, self.npmrc, self.npm_project, with_logins=with_logins)
        if known := self._netrc(told) if with_logins else []:
            told["GOLDI_NETRC"] = logins.netrc_text(known)
        if program in ("", "apt"):
            told |= apt_config.variables(self.apt, with_logins=with_logins)
        return told

    @property
    def secrets(self) -> set[str]:
        """What must not be shown: passwords and tokens, as they are written, meant and sent."""
        told = self.variables()
        found = {*apt_config.secrets(self.apt), *npm_config.secrets(self.environ, self.npmrc, self.npm_project)}
        found |= {secret for name, text in told.items() if name != "GOLDI_NPMRC" for secret in logins.secrets(text)}
        found |= git_settings.secrets(self.git_config)
        for _, user, password in self._netrc(told):
            found |= {password, *logins.pair(user, password)}
        found |= {value for name, value in told.items() if logins.is_secret(name) and not name.endswith("_USERNAME")}
        return found - {""}

    def _netrc(self, told: Mapping[str, str]) -> list[tuple[str, str, str]]:
        """Return the logins of the servers that `told` names; a proxy's stands in its own address."""
        texts = [text for name, text in told.items() if name not in _PROXIES]
        hosts = {logins.host(address) for text in texts for address in logins.addresses(text)}
        hosts |= npm_config.hosts(self.npmrc) if "GOLDI_NPMRC" in told else set()
        return self.netrc.lines(hosts) if self.netrc else []


def read(frontend: Path, environ: Mapping[str, str] = os.environ) -> Network:
    """Read the settings of the user with `environ` for a front end in that directory, and hide what is secret."""
    files = Files()
    found = Network(
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
    hide(found.secrets)
    return found


@cache
def _read_once(frontend: Path) -> Network:
    """Read it for this process, and say what could not be used."""
    found = read(frontend)
    for problem in found.files.problems:
        print(f"goldi: {problem}", file=sys.stderr, flush=True)
    return found


def text(settings: Settings, program: str = "", *, with_logins: bool = True) -> str:
    """Return `export NAME='value'` for each variable, which scripts/online.sh reads; "" if there is nothing to say."""
    if settings.host_network == "none":
        return ""
    told = _of(settings).variables(program, with_logins=with_logins and settings.host_network == "all")
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in told.items())


def files(settings: Settings) -> list[Path]:
    """Return every file that it was read from, there or not."""
    return _of(settings).files.asked


def _of(settings: Settings) -> Network:
    return _read_once(settings.project / settings.app / "frontend")


def relevant(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that it depends on."""
    return {name: value for name, value in environ.items() if _RELEVANT.search(name)}


def secrets(settings: Settings) -> dict[str, str]:
    """Return the environment of bake and of compose, from which a build's secrets are taken."""
    found = {name: text(settings, program) for name, program in PROGRAMS.items()}
    return {name: said for name, said in found.items() if said}


@contextmanager
def file(settings: Settings, *, with_logins: bool = False) -> Iterator[Path]:
    """Give what all programs are told as a file, for this user only, while the block runs."""
    folder = state.folder("network")
    state.make(folder)
    with tempdir.directory(folder) as private:
        told = private / "build_env"
        atomic.write(
            told, text(settings, with_logins=with_logins).encode(errors="surrogateescape"), owner=ownership.owner()
        )
        yield told
