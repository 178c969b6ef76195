"""npm's registries and logins, as one npmrc.

npm itself shows no logins, and nobody keeps a reader of npmrc for Python: this one is npm's own, line by line
(ini/lib/ini.js, @npmcli/config). A test holds npm against it.
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
# At the front or after `//host/:`.
_LOGIN = re.compile(r"(^|:)(_auth|_authToken|_password|username|email)$", re.IGNORECASE)
_KEYS = re.compile(
    r"registry|@[^:]+:registry|//.*|_auth|_authToken|_password|username|always-auth|proxy|https-proxy|noproxy"
    r"|strict-ssl|fetch-\w+(-\w+)*|maxsockets|replace-registry-host"
)
# A path on the host means nothing in a container.
_PATHS = (":certfile", ":keyfile", ":cafile")
Npmrc = Mapping[str, Any]


def decode(text: str) -> dict[str, Any]:
    """Return the keys of an npmrc, without its sections, and their values: text, True, False, None, number, list."""
    found: dict[str, Any] = {}
    into = found
    for line in re.split(r"[\r\n]+", text):
        if not line.strip() or line.lstrip()[0] in ";#" or not (match := _LINE.fullmatch(line)):
            continue
        if match[1] is not None:
            into = {}
            continue
        key, value = str(_unsafe(match[2])), _unsafe(match[4]) if match[3] else True
        value = {"true": True, "false": False, "null": None}.get(value, value) if isinstance(value, str) else value
        if len(key) > 2 and key.endswith("[]"):
            key = key[:-2]
            before = into.get(key, [])
            into[key] = before if isinstance(before, list) else [before]
        if isinstance(into.get(key), list):
            into[key].append(value)
        else:
            into[key] = value
    return found


def _unsafe(text: str) -> Any:
    """Return what a key or value means: quotes go, and what stands behind a `;` or `#` that is not escaped."""
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
    """Replace `${NAME}` as npm does: one that is not set stays, `${NAME?}` is nothing then."""

    def value(found: "re.Match[str]") -> str:
        slashes, name = found[1], found[2]
        if len(slashes) % 2:
            return found[0][(len(slashes) + 1) // 2 :]
        return slashes[len(slashes) // 2 :] + environ.get(name, "" if found[3] else f"${{{name}}}")

    return _VARIABLE.sub(value, text)


def names(npmrc: Npmrc) -> dict[str, bool]:
    """Return the variables that `npmrc` asks the environment for, each with whether a login is made of it."""
    found: dict[str, bool] = {}
    for key, value in npmrc.items():
        for text in (key, *map(str, value if isinstance(value, list) else [value])):
            for _, name, _ in _VARIABLE.findall(text):
                found[name] = found.get(name, False) or bool(_LOGIN.search(key)) or logins.is_secret(name)
    return found


def read(environ: Mapping[str, str], files: Files) -> Npmrc:
    """Return npm's settings for the user and the machine, and those variables of npm's that no shell can export.

    Source: @npmcli/config. The order is npm's own npmrc, the machine's, the user's.
    """
    said = {_option(name): value for name, value in environ.items() if value and name.lower().startswith("npm_config_")}
    home = home_of(environ)
    search = environ.get("PATH")
    npm, node = (
        Path(found).resolve() if (found := shutil.which(name, path=search)) else None for name in ("npm", "node")
    )

    def load(path: Path) -> Npmrc:
        return {expand(key, environ): _expanded(value, environ) for key, value in decode(files.read(path)).items()}

    def place(key: str, *layers: Npmrc) -> Path | None:
        text = next((str(layer[key]) for layer in layers if layer.get(key)), "")
        return home / text[2:] if text.startswith("~/") else Path(text) if text else None

    own = load(npm.parents[1] / "npmrc") if npm and npm.name == "npm-cli.js" else {}
    user = load(place("userconfig", said, own) or home / ".npmrc")
    usual = Path(environ.get("PREFIX") or (node.parents[1] if node else "/usr/local"))
    prefix = place("prefix", said, user, own) or usual
    # npm sets the first one that it reads as its default, so that another one wins over it.
    named = [layer for layer in (own, said, user) if layer.get("globalconfig")][1:]
    first = [layer for layer in (said, user, own) if layer in named]
    machine = load(place("globalconfig", *first, said, user, own) or prefix / "etc/npmrc")
    strange = {key: value for key, value in said.items() if key.startswith(("//", "@"))}
    return {**own, **machine, **user, **strange}


def variables(environ: Mapping[str, str], found: Npmrc, project: str, *, with_logins: bool = True) -> dict[str, str]:
    """Return GOLDI_NPMRC, npm's own variables, and those that the text of the `project`'s npmrc asks for."""
    kept = {key: value for key, value in found.items() if _KEYS.fullmatch(key) and not key.endswith(_PATHS)}
    plain = {name: value for name, value in environ.items() if value and _is_plain(name)}
    asked = {name: login for name, login in names(decode(project)).items() if environ.get(name)}
    if not with_logins:
        kept = {key: _change(value, logins.without) for key, value in kept.items() if not _LOGIN.search(key)}
        plain = {name: logins.without(value) for name, value in plain.items()}
        asked = {name: login for name, login in asked.items() if not (login or any(logins.secrets(environ[name])))}
    told = plain | {name: environ[name] for name in asked}
    return told | ({"GOLDI_NPMRC": encode(kept)} if kept else {})


def secrets(environ: Mapping[str, str], found: Npmrc, project: str) -> Iterable[str]:
    """Give what must not be shown of them."""
    for key, value in found.items():
        if _LOGIN.search(key) and not key.endswith(("username", "email")):
            yield from (str(value), *logins.decoded(str(value)), *logins.pair("", str(value)))
        if key.endswith(":username") and (password := found.get(f"{key.removesuffix('username')}_password")):
            for plain in logins.decoded(str(password)):
                yield from logins.pair(str(value), plain)
    yield from (environ[name] for name, login in names(decode(project)).items() if login and environ.get(name))


def hosts(found: Npmrc) -> set[str]:
    """Return the hosts that `found` has logins or settings for."""
    return {logins.host(f"https:{key.rpartition(':')[0]}") for key in found if key.startswith("//")}


def encode(npmrc: Npmrc) -> str:
    """Write `npmrc` so that npm reads the same values."""
    lines = []
    for key, value in npmrc.items():
        for one in value if isinstance(value, list) else [value]:
            # JSON, which an npmrc takes in quotes; what is left of a `$` is to stay.
            text = (
                one
                if not isinstance(one, str)
                else _VARIABLE.sub(lambda at: f"{at[1] * 2}\\{at[0][len(at[1]) :]}", one)
            )
            name = f"{key}[]" if isinstance(value, list) else key
            name = name if re.fullmatch(r"[\w@/:.\[\]%~-]+", name) else json.dumps(name, ensure_ascii=False)
            lines.append(
                f"{name}={json.dumps(text, ensure_ascii=False) if isinstance(one, str) else json.dumps(one)}\n"
            )
    return "".join(lines)


def _expanded(value: Any, environ: Mapping[str, str]) -> Any:
    return _change(value, lambda text: expand(text.strip(), environ))


def _change(value: Any, change: Callable[[str], str]) -> Any:
    """Return a value with `change` made to its text, or to each text of a list."""
    if isinstance(value, list):
        return [_change(one, change) for one in value]
    return change(value) if isinstance(value, str) else value


def _option(name: str) -> str:
    """Return the key that npm makes of a variable's name."""
    key = name[len("npm_config_") :]
    return key if key.startswith("//") else (key[:1] + key[1:].replace("_", "-")).lower()


def _is_plain(name: str) -> bool:
    return name.lower().startswith("npm_config_") and _option(name) in (
        "registry",
        "proxy",
        "https-proxy",
        "noproxy",
        "strict-ssl",
    )
