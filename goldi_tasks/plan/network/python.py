"""Indexes of Python packages: pip's settings for pip, uv's for uv, and each one's for the other where it has none."""

import configparser
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

# Options of pip that concern the network, as in its files; in the environment they are PIP_INDEX_URL and so on.
# `use-deprecated = legacy-certs` is for servers whose certificates pip's own way cannot check, such as addresses.
_PIP = [
    "index-url",
    "extra-index-url",
    "trusted-host",
    "proxy",
    "timeout",
    "default-timeout",
    "retries",
    "use-deprecated",
]
_UV = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX|INDEX_\w+|EXTRA_INDEX_URL|INSECURE_HOST|HTTP_TIMEOUT|HTTP_RETRIES|INDEX_STRATEGY)"
)


def variables(environ: Mapping[str, str], pip: Sequence[str], uv: Sequence[str]) -> dict[str, str]:
    """The environment for pip and uv, from the host's `environ` and the texts of their files, the strongest last."""
    for_pip = _from_pip(pip) | _chosen(environ, re.compile(r"PIP_(" + "|".join(map(_upper, _PIP)) + ")"))
    for_uv = _from_uv(uv) | _chosen(environ, _UV)
    for name in ("INDEX_URL", "EXTRA_INDEX_URL"):
        if kept := _servers(for_pip.pop(f"PIP_{name}", "")):
            for_pip[f"PIP_{name}"] = kept
    return {**for_pip, **for_uv, **_for_the_other(for_pip, for_uv)}


def _for_the_other(pip: Mapping[str, str], uv: Mapping[str, str]) -> dict[str, str]:
    told = {}
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
    return told


def _from_pip(texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(text)
        except configparser.Error:
            # pip itself says so, on the host.
            continue
        for section in ("global", "install"):
            for key, value in parser.items(section) if parser.has_section(section) else ():
                if key.replace("_", "-") in _PIP:
                    found[f"PIP_{_upper(key)}"] = " ".join(value.split())
    return found


def _from_uv(texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            continue
        found |= _uv_table({**table, **(table["pip"] if isinstance(table.get("pip"), dict) else {})})
    return found


def _uv_table(table: Mapping[str, Any]) -> dict[str, str]:
    indexes = [it for it in table.get("index") or () if isinstance(it, dict) and it.get("url")]
    named = [(f"{it['name']}=" if it.get("name") else "") + str(it["url"]) for it in indexes if not it.get("default")]
    default = [str(it["url"]) for it in indexes if it.get("default")]
    found = {
        "UV_DEFAULT_INDEX": (default or [""])[0],
        "UV_INDEX": " ".join(named),
        "UV_INDEX_URL": table.get("index-url"),
        "UV_EXTRA_INDEX_URL": _words(table.get("extra-index-url")),
        "UV_INSECURE_HOST": _words(table.get("allow-insecure-host")),
    }
    return {name: str(value) for name, value in found.items() if value}


def _chosen(environ: Mapping[str, str], names: "re.Pattern[str]") -> dict[str, str]:
    return {name: value for name, value in environ.items() if value and names.fullmatch(name)}


def _servers(text: str) -> str:
    """Those addresses that a container can reach: a directory of the host is none."""
    return " ".join(word for word in text.split() if word.startswith(("http://", "https://")))


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _upper(key: str) -> str:
    return key.upper().replace("-", "_")
