"""What a program in a container needs to know of the host's network, from what the host's configuration says.

`python`, `node` and `debian` read the settings of pip and uv, of npm, and of apt.
"""

import base64
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from goldi_tasks.network import Network
from goldi_tasks.plan.network import debian, node, python

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class Told:
    """What is told to a container: environment `variables`, and every password among them."""

    variables: Mapping[str, str] = field(repr=False)

    @property
    def lines(self) -> str:
        """`export NAME='value'` for each, which scripts/online.sh reads."""
        return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in self.variables.items())

    @property
    def passwords(self) -> set[str]:
        """What must not be shown: passwords and tokens, as they are written and as they are meant."""
        found = {part for text in self.variables.values() for url in urls(text) for part in _secrets(url)}
        found |= set(node.tokens(self.variables.get("GOLDI_NPMRC", "")))
        logins = self.variables.get("GOLDI_NETRC", "") + self.variables.get("GOLDI_APT_AUTH", "")
        found |= set(re.findall(r" password (\S+)", logins))
        found |= {value for name, value in self.variables.items() if _SECRET.search(name)}
        return {part for part in found if part}


_SECRET = re.compile(r"TOKEN|PASSWORD|SECRET|_AUTH$|_KEY$", re.IGNORECASE)


def tell(found: Network) -> Told:
    """What `found` means for containers."""
    environ = found.environ
    variables = {name: environ[name] for upper in _PROXIES for name in (upper, upper.lower()) if environ.get(name)}
    variables |= python.variables(environ, found.pip, found.uv)
    variables |= node.variables(environ, found.npm, found.npm_project)
    variables |= debian.variables(found)
    addresses = [url for text in variables.values() for url in urls(text)]
    hosts = {urlsplit(url).hostname for url in addresses} | node.hosts(variables.get("GOLDI_NPMRC", ""))
    known = {host: login for host, login in found.netrc.items() if host in hosts}
    if known:
        variables["GOLDI_NETRC"] = "".join(_machine(host, *login) for host, login in sorted(known.items()))
    return Told(variables)


def urls(text: str) -> Iterable[str]:
    """The addresses of servers in `text`."""
    for found in re.findall(r"https?://[^\s'\"#\\;]+", text):
        try:
            urlsplit(found).port  # noqa: B018 - raises for what is no address
        except ValueError:
            continue
        yield found


def _machine(host: str, login: str, password: str) -> str:
    return f"machine {host} login {login} password {password}\n"


def _secrets(url: str) -> Iterable[str]:
    """The password in `url`, or the user where there is none: then it is a token; and both as a header has them."""
    parts = urlsplit(url)
    written = parts.password if parts.password is not None else parts.username
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return (
        (written, unquote(written), base64.b64encode(pair.encode(errors="surrogateescape")).decode()) if written else ()
    )
