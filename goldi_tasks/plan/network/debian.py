"""apt's proxy, mirror and logins."""

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit, urlunsplit

from goldi_tasks.network import Network
from goldi_tasks.plan.engine import release, repositories

_LINE = re.compile(r"^[ \t]*deb[ \t]+(?:\[[^\]]*\][ \t]+)?(\S+)[ \t]+(\S+)[ \t]+(.*)$", re.MULTILINE)
_FIELD = re.compile(r"^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t]+.*)*)", re.MULTILINE)
_PASSED = re.compile(r"^Acquire::((https?|ftp)::(Proxy|Timeout|Pipeline-Depth)(::[^ ]+)?|Retries) \"[^\"]+\";$", re.M)


def variables(found: Network) -> dict[str, str]:
    """GOLDI_APT_CONF (lines for apt.conf), GOLDI_APT_SED (makes Debian's sources the mirror's), GOLDI_APT_AUTH."""
    mirror, security = _mirrors(found)
    told = {
        "GOLDI_APT_CONF": "".join(f"{line.group()}\n" for line in _PASSED.finditer(found.apt)),
        "GOLDI_APT_SED": "".join(
            # Whatever server an image names: its path tells which archive it is. A snapshot's has a date, and stays.
            f"s#https?://[^/ ]+/{archive}/*( |$)#{_replacement(uri)}\\1#g\n"
            for archive, uri in (("debian-security", security), ("debian", mirror))
            if uri
        ),
        "GOLDI_APT_AUTH": "".join(_logins(found, [uri for uri in (mirror, security) if uri])),
    }
    return {name: value for name, value in told.items() if value}


def _mirrors(found: Network) -> tuple[str, str]:
    """The addresses of Debian and its security archive, "" for what nobody named."""
    if own := found.environ.get("GOLDI_DEBIAN_MIRROR", "").rstrip("/"):
        # As mirrors have them, side by side.
        return own, f"{own}-security" if own.endswith("/debian") else ""
    codename = release(found.os_release).get("VERSION_CODENAME", "")
    if release(found.os_release).get("ID") != "debian":
        return "", ""
    listing = "".join(line for text in found.apt_sources for line in _listing(text))
    main, security, *_ = [*repositories(listing, codename).values(), "", ""]
    return main, security


def _listing(text: str) -> Iterator[str]:
    """The repositories of a file of sources, in either format (sources.list(5)), as apt-get prints their indexes."""
    named = [(uri, suite, parts) for uri, suite, parts in _LINE.findall(text)]
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields = {name.lower(): value for name, value in _FIELD.findall(stanza)}
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes") != "no":
            uris, suites = fields.get("uris", "").split(), fields.get("suites", "").split()
            named += [(uri, suite, fields.get("components", "")) for uri in uris for suite in suites]
    for uri, suite, parts in named:
        if "main" in parts.split() and uri.startswith(("http://", "https://")):
            yield f"'{uri.rstrip('/')}/dists/{suite}/main/binary-'\n"


def _logins(found: Network, mirrors: list[str]) -> list[str]:
    """Lines for apt's login file: what the addresses say, and what the host's own files say of their hosts."""
    said = []
    for uri in mirrors:
        parts = urlsplit(uri)
        if parts.username:
            user, password = unquote(parts.username), unquote(parts.password or "")
            said.append(f"machine {_plain(uri)} login {user} password {password}\n")
    hosts = {urlsplit(uri).hostname for uri in mirrors}
    for text in found.apt_auth:
        for machine, login, password in re.findall(r"machine\s+(\S+)\s+login\s+(\S+)\s+password\s+(\S+)", text):
            if urlsplit(machine if "://" in machine else f"https://{machine}").hostname in hosts:
                said.append(f"machine {machine} login {login} password {password}\n")
    return said


def _plain(uri: str) -> str:
    """`uri` without login."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _replacement(uri: str) -> str:
    return re.sub(r"([\\&#])", r"\\\1", _plain(uri))
