"""apt's proxy, mirror and logins, as apt itself says them (apt-config, apt-get indextargets)."""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed
from goldi_tasks.network import logins
from goldi_tasks.network.config_files import Files

# Lines of `apt-config dump` that are for containers too.
_PASSED = re.compile(r"Acquire::((https?|ftp)::(Proxy|Timeout|Pipeline-Depth)(::[^ ]+)?|Retries) \"[^\"]+\";")
_ETC = Path("/etc/apt")
# Debian's release that images and the private engine are made from.
SUITE = "trixie"
# What apt's sources are, by apt itself: a line `URI SUITE COMPONENT` for each index. Source: apt-get(8), indextargets.
# Without its lists and packages, which it would read for seconds.
INDEXES = (
    *("apt-get", "-o", "Dir::State::lists=/dev/null/", "-o", "Dir::State::status=/dev/null", "indextargets"),
    *("--no-release-info", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"),
)


@dataclass(frozen=True)
class Apt:
    """`lines` of its configuration, the addresses of Debian's `mirror` and `security` archive, `known` logins.

    Each login is machine, which may have a port and a path, user and password.
    """

    lines: tuple[str, ...] = ()
    mirror: str = ""
    security: str = ""
    known: tuple[tuple[str, str, str], ...] = field(default=(), repr=False)


def read(environ: Mapping[str, str], files: Files) -> Apt:
    """Ask apt; where there is none, or the host is no Debian, only GOLDI_DEBIAN_MIRROR counts."""
    named = [Path(environ["APT_CONFIG"])] if environ.get("APT_CONFIG") else []
    files.asked += [
        *named,
        _ETC,
        *(_ETC / name for name in ("apt.conf", "apt.conf.d", "sources.list", "sources.list.d")),
    ]
    files.asked += [*sorted(_ETC.glob("apt.conf.d/*")), *sorted(_ETC.glob("sources.list.d/*"))]
    auth = [_ETC / "auth.conf", *sorted(_ETC.glob("auth.conf.d/*.conf"))]
    own = environ.get("GOLDI_DEBIAN_MIRROR", "").rstrip("/")
    # As mirrors have them, side by side.
    mirror, security = (own, f"{own}-security" if own.endswith("/debian") else "") if own else _sources(files)
    known = tuple(entry for path in auth for entry in _logins(files.read(path)))
    return Apt(
        tuple(filter(_PASSED.fullmatch, _ask("apt-config", "dump", "Acquire").splitlines())), mirror, security, known
    )


def parse_os_release(text: str) -> dict[str, str]:
    """Return the fields of the `text` of /etc/os-release (os-release(5))."""
    return dict(re.findall(r'^(\w+)=["\']?([^"\'\n]*)["\']?$', text, re.MULTILINE))


def repositories(listing: str, codename: str, suite: str = SUITE) -> dict[str, str]:
    """The host's mirrors of `suite` and its updates, from what INDEXES says; or {}."""
    lines = [line.split() for line in listing.splitlines()]
    pairs = [(line[0].rstrip("/"), line[1]) for line in lines if len(line) == 3 and line[2] == "main"]
    pairs = [(uri, suite) for uri, suite in pairs if uri.startswith(("http://", "https://"))]
    # Other people's repositories use the codename too; the distribution's has an -updates beside it.
    main = [uri for uri, suite in pairs if suite == codename]
    main.sort(key=lambda uri: ((uri, f"{codename}-updates") in pairs, uri.endswith("/debian")), reverse=True)
    security = [uri for uri, suite in pairs if suite == f"{codename}-security"]
    # Unstable has no other repository for what is urgent.
    urgent = security[:1] if main and suite != "unstable" else []
    return {name: uris[0] for name, uris in ((suite, main[:1]), (f"{suite}-security", urgent)) if uris}


def _sources(files: Files) -> tuple[str, str]:
    system = parse_os_release(files.read(Path("/etc/os-release")))
    if system.get("ID") != "debian":
        return "", ""
    found = repositories(_ask(*INDEXES), system.get("VERSION_CODENAME", ""))
    main, security, *_ = [*found.values(), "", ""]
    return main, security


def _ask(*argv: str) -> str:
    try:
        return process.capture(Command(argv, {"LC_ALL": "C"})) if shutil.which(argv[0]) else ""
    except CommandFailed:
        return ""


def _logins(text: str) -> Iterator[tuple[str, str, str]]:
    """Give the entries of a file of apt's logins. Source: apt_auth.conf(5): words, and lines that begin with `#`."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    words = iter(" ".join(lines).split())
    entry: dict[str, str] = {}
    for word in words:
        if word == "machine" and len(entry) == 3:
            yield entry["machine"], entry["login"], entry["password"]
        if word == "machine":
            entry = {}
        if word in ("machine", "login", "password"):
            entry[word] = next(words, "")
    if len(entry) == 3:
        yield entry["machine"], entry["login"], entry["password"]


def variables(apt: Apt, *, with_logins: bool = True) -> dict[str, str]:
    """Return GOLDI_APT_CONF (lines for apt.conf), GOLDI_APT_AUTH, and GOLDI_APT_SED (brings sources to the mirror)."""
    archives = (("debian-security", apt.security), ("debian", apt.mirror))
    told = {
        "GOLDI_APT_CONF": "".join(f"{line if with_logins else logins.without(line)}\n" for line in apt.lines),
        "GOLDI_APT_SED": "".join(
            # Whatever server an image names: its path tells which archive it is. A snapshot's has a date, and stays.
            f"s#https?://[^/ ]+/{archive}/*( |$)#{_replacement(uri)}\\1#g\n"
            for archive, uri in archives
            if uri
        ),
        "GOLDI_APT_AUTH": "".join(f"machine {m} login {u} password {p}\n" for m, u, p in _used(apt))
        if with_logins
        else "",
    }
    return {name: value for name, value in told.items() if value}


def secrets(apt: Apt) -> Iterator[str]:
    """Give what must not be shown of it."""
    for line in (*apt.lines, apt.mirror, apt.security):
        yield from logins.secrets(line)
    for _, user, password in _used(apt):
        yield from (password, *logins.pair(user, password))


def _used(apt: Apt) -> Iterator[tuple[str, str, str]]:
    """Give the logins of the mirrors: what the addresses say, and what apt's own files say of their hosts."""
    hosts = set()
    for uri in filter(None, (apt.mirror, apt.security)):
        login, plain = logins.split(uri)
        hosts.add(logins.host(plain))
        if login:
            user, _, password = login.partition(":")
            yield plain, unquote(user), unquote(password)
    for machine, user, password in apt.known:
        if logins.host(machine if "://" in machine else f"https://{machine}") in hosts:
            yield machine, user, password


def _replacement(uri: str) -> str:
    return re.sub(r"([\\&#])", r"\\\1", logins.split(uri)[1])
