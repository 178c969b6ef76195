"""Read npm's registries and logins, and combine them into one npmrc.

npm itself prints no logins, and there is no maintained parser of npmrc for Python: this one is a translation of npm's
(ini/lib/ini.js, @npmcli/config). A test compares it with npm.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from goldi_tasks.network import logins
from goldi_tasks.network.config_files import Files, home_of

# Source: decode() and env-replace.js of npm 10 and 11.
_LINE = re.compile(r"\[([^\]]*)\]\s*|([^=]+)(=(.*))?", re.DOTALL)
_VARIABLE = re.compile(r"(?<!\\)(\\*)\$\{([^${}?]+)(\?)?\}")
# At the beginning of a key, or after `//host/:`.
_LOGIN = re.compile(r"(^|:)(_auth|_authToken|_password|username|email)$", re.IGNORECASE)
_KEYS = re.compile(
    r"registry|@[^:]+:registry|//.*|_auth|_authToken|_password|username|always-auth|proxy|https-proxy|noproxy"
    r"|strict-ssl|fetch-\w+(-\w+)*|maxsockets|replace-registry-host"
)
# Values that are paths on the host, which do not exist in a container.
_PATHS = (":certfile", ":keyfile", ":cafile")
Npmrc = Mapping[str, Any]


def decode(text: str) -> dict[str, Any]:
    """Parse an npmrc without its sections; a value is a str, True, False, None, a number, or a list of these."""
    npmrc: dict[str, Any] = {}
    section = npmrc
    for line in re.split(r"[\r\n]+", text):
        if not line.strip() or line.lstrip()[0] in ";#" or not (match := _LINE.fullmatch(line)):
            continue
        if match[1] is not None:
            section = {}
            continue
        key, value = str(_unquote(match[2])), _unquote(match[4]) if match[3] else True
        value = {"true": True, "false": False, "null": None}.get(value, value) if isinstance(value, str) else value
        if len(key) > 2 and key.endswith("[]"):
            key = key[:-2]
            previous = section.get(key, [])
            section[key] = previous if isinstance(previous, list) else [previous]
        if isinstance(section.get(key), list):
            section[key].append(value)
        else:
            section[key] = value
    return npmrc


def _unquote(text: str) -> Any:
    """Return a key or value without its quotes, or without a comment behind a `;` or `#` that is not escaped."""
    text = text.strip()
    if text[:1] in ('"', "'") and text[:1] == text[-1:]:
        text = text[1:-1] if text[0] == "'" else text
        try:
            return json.loads(text)
        except ValueError:
            return text
    plain = re.match(r"(?:\\.|[^;#\\]|\\$)*", text, re.DOTALL)
    return re.sub(r"\\([\\;#])", r"\1", plain[0] if plain else "").strip()


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replace `${NAME}` as npm does: if NAME is not set, `${NAME}` is kept and `${NAME?}` is removed."""

    def replace(match: "re.Match[str]") -> str:
        slashes, name = match[1], match[2]
        if len(slashes) % 2:
            return match[0][(len(slashes) + 1) // 2 :]
        return slashes[len(slashes) // 2 :] + environ.get(name, "" if match[3] else f"${{{name}}}")

    return _VARIABLE.sub(replace, text)


def names(npmrc: Npmrc) -> dict[str, bool]:
    """Return the names of the variables in `npmrc`, each with whether its value is used as a login."""
    uses: dict[str, bool] = {}
    for key, value in npmrc.items():
        for text in (key, *map(str, value if isinstance(value, list) else [value])):
            for _, name, _ in _VARIABLE.findall(text):
                uses[name] = uses.get(name, False) or bool(_LOGIN.search(key)) or logins.is_secret(name)
    return uses


def read(environ: Mapping[str, str], files: Files) -> Npmrc:
    """Return npm's settings for the user and the machine, and npm's variables whose names a shell cannot export.

    Source: @npmcli/config. The order is npm's own npmrc, the machine's, the user's; the last one wins.
    """
    variables = {
        _key_of_variable(name): value
        for name, value in environ.items()
        if value and name.lower().startswith("npm_config_")
    }
    home = home_of(environ)
    search = environ.get("PATH")
    npm, node = (
        Path(program).resolve() if (program := shutil.which(name, path=search)) else None for name in ("npm", "node")
    )

    def load(path: Path) -> Npmrc:
        return {expand(key, environ): _expand_value(value, environ) for key, value in decode(files.read(path)).items()}

    def find_path(key: str, *layers: Npmrc) -> Path | None:
        text = next((str(layer[key]) for layer in layers if layer.get(key)), "")
        return home / text[2:] if text.startswith("~/") else Path(text) if text else None

    own = load(npm.parents[1] / "npmrc") if npm and npm.name == "npm-cli.js" else {}
    user = load(find_path("userconfig", variables, own) or home / ".npmrc")
    default_prefix = Path(environ.get("PREFIX") or (node.parents[1] if node else "/usr/local"))
    prefix = find_path("prefix", variables, user, own) or default_prefix
    # npm uses the first globalconfig that it reads as a default only, which any other one overrides.
    layers = [layer for layer in (own, variables, user) if layer.get("globalconfig")][1:]
    by_priority = [layer for layer in (variables, user, own) if layer in layers]
    machine = load(find_path("globalconfig", *by_priority, variables, user, own) or prefix / "etc/npmrc")
    not_exportable = {key: value for key, value in variables.items() if key.startswith(("//", "@"))}
    return {**own, **machine, **user, **not_exportable}


def variables(environ: Mapping[str, str], npmrc: Npmrc, project: str, *, with_logins: bool = True) -> dict[str, str]:
    """Return GOLDI_NPMRC, npm's own variables, and those that occur in `project`, the text of the project's npmrc."""
    settings = {key: value for key, value in npmrc.items() if _KEYS.fullmatch(key) and not key.endswith(_PATHS)}
    npm_variables = {name: value for name, value in environ.items() if value and _is_passed_variable(name)}
    project_variables = {name: login for name, login in names(decode(project)).items() if environ.get(name)}
    if not with_logins:
        settings = {key: _map_text(value, logins.without) for key, value in settings.items() if not _LOGIN.search(key)}
        npm_variables = {name: logins.without(value) for name, value in npm_variables.items()}
        project_variables = {
            name: login
            for name, login in project_variables.items()
            if not (login or any(logins.secrets(environ[name])))
        }
    variables = npm_variables | {name: environ[name] for name in project_variables}
    return variables | ({"GOLDI_NPMRC": encode(settings)} if settings else {})


def secrets(environ: Mapping[str, str], npmrc: Npmrc, project: str) -> Iterable[str]:
    """Yield what must not be printed."""
    for key, value in npmrc.items():
        if _LOGIN.search(key) and not key.endswith(("username", "email")):
            yield from (str(value), *logins.decoded(str(value)), *logins.pair("", str(value)))
        if key.endswith(":username") and (password := npmrc.get(f"{key.removesuffix('username')}_password")):
            for plain in logins.decoded(str(password)):
                yield from logins.pair(str(value), plain)
    yield from (environ[name] for name, login in names(decode(project)).items() if login and environ.get(name))


def hosts(npmrc: Npmrc) -> set[str]:
    """Return the hosts for which `npmrc` has logins or settings."""
    return {logins.host(f"https:{key.rpartition(':')[0]}") for key in npmrc if key.startswith("//")}


def encode(npmrc: Npmrc) -> str:
    """Return the text of an npmrc from which npm reads the values of `npmrc`."""
    lines = []
    for key, value in npmrc.items():
        name = f"{key}[]" if isinstance(value, list) else key
        name = name if re.fullmatch(r"[\w@/:.\[\]%~-]+", name) else json.dumps(name, ensure_ascii=False)
        lines += [f"{name}={_encode_value(item)}\n" for item in (value if isinstance(value, list) else [value])]
    return "".join(lines)


def _encode_value(value: Any) -> str:
    """Encode a value in JSON, which an npmrc takes in quotes; a `${NAME}` is escaped, so that npm keeps it."""
    if isinstance(value, str):
        value = _VARIABLE.sub(lambda match: f"{match[1] * 2}\\{match[0][len(match[1]) :]}", value)
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def _expand_value(value: Any, environ: Mapping[str, str]) -> Any:
    return _map_text(value, lambda text: expand(text.strip(), environ))


def _map_text(value: Any, change: Callable[[str], str]) -> Any:
    """Apply `change` to a value that is a str, or to each str of a list; return other values unchanged."""
    if isinstance(value, list):
        return [_map_text(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def _key_of_variable(name: str) -> str:
    """Return the key of npmrc that a variable `npm_config_*` sets."""
    key = name[len("npm_config_") :]
    return key if key.startswith("//") else (key[:1] + key[1:].replace("_", "-")).lower()


def _is_passed_variable(name: str) -> bool:
    return name.lower().startswith("npm_config_") and _key_of_variable(name) in (
        "registry",
        "proxy",
        "https-proxy",
        "noproxy",
        "strict-ssl",
    )
