"""Find logins in addresses, .netrc and variables, and remove them from text."""

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
    """Return whether the variable `name` holds a login, judged by its name."""
    return bool(_SECRET_NAME.search(name))


def addresses(text: str) -> Iterator[str]:
    """Yield the addresses of servers in `text`."""
    for address in _ADDRESS.findall(text):
        try:
            urlsplit(address).port  # noqa: B018 - raises for what is no address
        except ValueError:
            continue
        yield address


def host(address: str) -> str:
    """Return the host of `address`, "" where it has none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def split(address: str) -> tuple[str, str]:
    """Split `address` into its login ("" for none) and the address without it; a proxy's may have no scheme."""
    scheme, colons, rest = address.rpartition("://") if "://" in address else ("", "", address)
    authority, slash, path = rest.partition("/")
    if "@" not in authority and "@" in path and not re.fullmatch(r"[^:]*(:\d*)?|\[.*", authority):
        # A slash in a password that is not written as %2F.
        authority, slash, path = rest, "", ""
    login, sign, server = authority.rpartition("@")
    return (login, f"{scheme}{colons}{server}{slash}{path}") if sign else ("", address)


def without(text: str) -> str:
    """Return `text` with the logins removed from its addresses."""
    return "".join(map(_word_without_login, re.split(r"(\s+)", text)))


def _word_without_login(word: str) -> str:
    if _ADDRESS.match(word) or re.fullmatch(r"[^/@][^/]*@[^/@]+", word):
        return split(word)[1]
    return _ADDRESS.sub(lambda match: split(match[0])[1], word)


def secrets(text: str) -> Iterator[str]:
    """Yield the secrets of the addresses in `text`, of which each word may be an address."""
    words = [word for word in text.split() if "@" in word and (_ADDRESS.match(word) or not _ADDRESS.search(word))]
    for address in {*words, *_ADDRESS.findall(text), *([text] if "@" in text and "\n" not in text else [])}:
        login = split(address)[0]
        user, colon, password = login.partition(":")
        # A user alone is a token.
        secret = password if colon else user
        if secret:
            yield from (secret, unquote(secret), *pair(unquote(user), unquote(password)))


def pair(user: str, password: str) -> tuple[str, ...]:
    """Return a login in base64, as in an Authorization header."""
    return (base64.b64encode(f"{user}:{password}".encode(errors="surrogateescape")).decode(),)


def decoded(value: str) -> Iterator[str]:
    """Yield the decoded `value` and its password if it is base64, as npm stores passwords and user:password."""
    try:
        text = base64.b64decode(value, validate=True).decode()
    except ValueError:
        return
    yield from (text, text.partition(":")[2])


class Netrc:
    """The logins of .netrc, by host. Source: requests.utils.get_netrc_auth, which pip uses."""

    def __init__(self, environ: Mapping[str, str], files: Files) -> None:
        """Read the file in NETRC, else ~/.netrc or ~/_netrc."""
        home = home_of(environ)
        netrc_path = environ.get("NETRC")
        self._hosts = None
        for path in [Path(netrc_path)] if netrc_path else [home / ".netrc", home / "_netrc"]:
            files.candidates.append(path)
            if not path.is_file():
                continue
            try:
                self._hosts = netrc.netrc(str(path))
            except (OSError, netrc.NetrcParseError, UnicodeError) as error:
                if not isinstance(error, PermissionError):
                    files.report(path, error)
            break

    def lines(self, hosts: Iterable[str]) -> list[tuple[str, str, str]]:
        """Return host, login and password for those of `hosts` that have an entry."""
        entries = ((host, self._hosts.authenticators(host)) for host in sorted(set(hosts))) if self._hosts else ()
        return [(host, entry[0] or "", entry[2] or "") for host, entry in entries if host and entry]


def netrc_text(lines: Iterable[tuple[str, str, str]]) -> str:
    """Return `lines` (host, login, password) as the text of a .netrc."""
    return "".join(
        f"machine {host} login {_quote_word(login)} password {_quote_word(password)}\n"
        for host, login, password in lines
    )


def _quote_word(text: str) -> str:
    """Quote `text` unless it is one plain word."""
    if re.fullmatch(r"[^\s\"\\#]+", text):
        return text
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
