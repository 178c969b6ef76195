"""npm's registries and logins, as one npmrc."""

import re
from collections.abc import Iterable, Mapping, Sequence

_LINE = re.compile(r"^\s*([^;#\s=][^=]*?)\s*=\s*(.*?)\s*$", re.MULTILINE)
_VARIABLE = re.compile(r"\$\{(\w+)\}")
# `_auth` and its like, at the front or after `//host/:`.
_LOGIN = re.compile(r"(^|:)(_auth|_authToken|_password)$")
_KEYS = re.compile(
    r"registry|@[^:]+:registry|//.*|_auth|_authToken|_password|username|always-auth|proxy|https-proxy|noproxy"
    r"|strict-ssl|fetch-\w+(-\w+)*|maxsockets"
)
_IN_ENVIRONMENT = re.compile(r"npm_config_(registry|https?_proxy|proxy|noproxy|strict_ssl)", re.IGNORECASE)


def variables(environ: Mapping[str, str], files: Sequence[str], project: str) -> dict[str, str]:
    """GOLDI_NPMRC, what npm reads from the environment, and what the `project`'s own npmrc asks the environment for."""
    found: dict[str, str] = {}
    for text in files:
        found |= {key: _expand(value, environ) for key, value in _LINE.findall(text) if _KEYS.fullmatch(key)}
    # A path on the host means nothing in a container.
    found = {key: value for key, value in found.items() if not key.endswith((":certfile", ":keyfile"))}
    told = {name: value for name, value in environ.items() if value and _IN_ENVIRONMENT.fullmatch(name)}
    # Names that no shell can export: npm reads `npm_config_//host/:_authToken` too.
    strange = [name for name in environ if name.lower().startswith("npm_config_//")]
    found |= {name[len("npm_config_") :]: environ[name] for name in strange}
    told |= {name: environ[name] for name in _VARIABLE.findall(project) if environ.get(name)}
    return told | ({"GOLDI_NPMRC": "".join(f"{key}={value}\n" for key, value in found.items())} if found else {})


def tokens(npmrc: str) -> Iterable[str]:
    """The secrets in `npmrc`."""
    return [value for key, value in _LINE.findall(npmrc) if _LOGIN.search(key)]


def hosts(npmrc: str) -> set[str]:
    """The hosts that `npmrc` has logins or settings for."""
    return set(re.findall(r"^//([^/:\s]+)", npmrc, re.MULTILINE))


def _expand(value: str, environ: Mapping[str, str]) -> str:
    """As npm does, `${NAME}` is replaced; one that is not set stays as it is written."""
    value = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    return _VARIABLE.sub(lambda found: environ.get(found[1], found[0]), value)
