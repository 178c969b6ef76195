"""Logins: in addresses, in .netrc, in variables; how they look where they are shown, and text without them."""

import base64
import netrc
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from goldi_tasks.network.config_files import Files, home_of

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"]+")
_SECRET_NAME = re.compile(r"TOKEN|PASSWORD|PASSWD|SECRET|CREDENTIAL|_AUTH$|_KEY$|_USERNAME$", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Tell whether the value of the variable `name` is a login by its name."""
    return bool(_SECRET_NAME.search(name))


def addresses(text: str) -> Iterator[str]:
    """Give the addresses of servers in `text`."""
    for found in _ADDRESS.findall(text):
        try:
            urlsplit(found).port  # noqa: B018 - raises for what is no address
        except ValueError:
            continue
        yield found


def host(address: str) -> str:
    """Return the host of `address`, "" where it has none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def split(address: str) -> tuple[str, str]:
    """Split `address` into its login, "" for none, and itself without. A proxy's may have no scheme."""
    scheme, colons, rest = address.rpartition("://") if "://" in address else ("", "", address)
    authority, slash, path = rest.partition("/")
    if "@" not in authority and "@" in path and not re.fullmatch(r"[^:]*(:\d*)?|\[.*", authority):
        # A slash in a password that is not written as %2F.
        authority, slash, path = rest, "", ""
    login, at, there = authority.rpartition("@")
    return (login, f"{scheme}{colons}{there}{slash}{path}") if at else ("", address)


def without(text: str) -> str:
    """Return `text` with the addresses in it, but without their logins."""
    return "".join(map(_without, re.split(r"(\s+)", text)))


def _without(word: str) -> str:
    if _ADDRESS.match(word) or re.fullmatch(r"[^/@][^/]*@[^/@]+", word):
        return split(word)[1]
    return _ADDRESS.sub(lambda found: split(found[0])[1], word)


def secrets(text: str) -> Iterator[str]:
    """Give what must not be shown of the addresses in `text`, of which each word may be one."""
    words = [word for word in text.split() if "@" in word and (_ADDRESS.match(word) or not _ADDRESS.search(word))]
    for address in {*words, *_ADDRESS.findall(text), *([text] if "@" in text and "\n" not in text else [])}:
        login = split(address)[0]
        user, colon, password = login.partition(":")
        # A user alone is a token.
        written = password if colon else user
        if written:
            yield from (written, unquote(written), *pair(unquote(user), unquote(password)))


def pair(user: str, password: str) -> tuple[str, ...]:
    """Return a login as a header has it, in base64."""
    return (base64.b64encode(f"{user}:{password}".encode(errors="surrogateescape")).decode(),)


def decoded(value: str) -> Iterator[str]:
    """Give the texts that `value` is the base64 of: npm writes passwords, and users with passwords, so."""
    try:
        text = base64.b64decode(value, validate=True).decode()
    except ValueError:
        return
    yield from (text, text.partition(":")[2])


class Netrc:
    """The logins of .netrc, by host. Source: requests.utils.get_netrc_auth, which pip uses."""

    def __init__(self, environ: Mapping[str, str], files: Files) -> None:
        """Read the file that NETRC names, else ~/.netrc or ~/_netrc."""
        home = home_of(environ)
        named = environ.get("NETRC")
        self._hosts = None
        for path in [Path(named)] if named else [home / ".netrc", home / "_netrc"]:
            files.asked.append(path)
            if not path.is_file():
                continue
            try:
                self._hosts = netrc.netrc(str(path))
            except (OSError, netrc.NetrcParseError, UnicodeError) as error:
                if not isinstance(error, PermissionError):
                    files.report(path, error)
            break

    def lines(self, hosts: Iterable[str]) -> list[tuple[str, str, str]]:
        """Return host, login and password for those of `hosts` that it knows."""
        found = ((host, self._hosts.authenticators(host)) for host in sorted(set(hosts))) if self._hosts else ()
        return [(host, known[0] or "", known[2] or "") for host, known in found if host and known]


def netrc_text(lines: Iterable[tuple[str, str, str]]) -> str:
    """Write `lines` as a .netrc."""
    return "".join(
        f"machine {host} login {_word(login)} password {_word(password)}\n" for host, login, password in lines
    )


def _word(text: str) -> str:
    """Quote `text` where it is more than one plain word."""
    if re.fullmatch(r"[^\s\"\\#]+", text):
        return text
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
