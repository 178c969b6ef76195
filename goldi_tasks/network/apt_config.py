"""Read apt's proxy, mirror and logins with apt-config and apt-get indextargets, and pass them to containers."""

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

# Lines of `apt-config dump` that also apply in containers.
_PASSED = re.compile(r"Acquire::((https?|ftp)::(Proxy|Timeout|Pipeline-Depth)(::[^ ]+)?|Retries) \"[^\"]+\";")
_ETC = Path("/etc/apt")
# The Debian release of the images and of the private engine.
SUITE = "trixie"
# Prints a line `URI SUITE COMPONENT` for each index of apt's sources. Source: apt-get(8), indextargets.
# Without the package lists and dpkg's status, which take seconds to read.
INDEXES = (
    *("apt-get", "-o", "Dir::State::lists=/dev/null/", "-o", "Dir::State::status=/dev/null", "indextargets"),
    *("--no-release-info", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"),
)


@dataclass(frozen=True)
class Apt:
    """apt's configuration `lines`, the addresses of Debian's `mirror` and its `security` archive, and `logins`.

    A login is (machine, user, password); the machine may have a port and a path.
    """

    lines: tuple[str, ...] = ()
    mirror: str = ""
    security: str = ""
    logins: tuple[tuple[str, str, str], ...] = field(default=(), repr=False)


def read(environ: Mapping[str, str], files: Files) -> Apt:
    """Read apt's settings; the mirror is GOLDI_DEBIAN_MIRROR, else the host's own if the host is Debian."""
    config_files = [Path(environ["APT_CONFIG"])] if environ.get("APT_CONFIG") else []
    files.candidates += [
        *config_files,
        _ETC,
        *(_ETC / name for name in ("apt.conf", "apt.conf.d", "sources.list", "sources.list.d")),
    ]
    files.candidates += [*sorted(_ETC.glob("apt.conf.d/*")), *sorted(_ETC.glob("sources.list.d/*"))]
    auth = [_ETC / "auth.conf", *sorted(_ETC.glob("auth.conf.d/*.conf"))]
    mirror, security = environ.get("GOLDI_DEBIAN_MIRROR", "").rstrip("/"), ""
    if not mirror:
        mirror, security = _host_archives(files)
    elif mirror.endswith("/debian"):
        # Mirrors have both archives side by side.
        security = f"{mirror}-security"
    auth_logins = tuple(entry for path in auth for entry in _parse_auth(files.read(path)))
    return Apt(
        tuple(filter(_PASSED.fullmatch, _capture("apt-config", "dump", "Acquire").splitlines())),
        mirror,
        security,
        auth_logins,
    )


def parse_os_release(text: str) -> dict[str, str]:
    """Return the fields of the `text` of /etc/os-release (os-release(5))."""
    return dict(re.findall(r'^(\w+)=["\']?([^"\'\n]*)["\']?$', text, re.MULTILINE))


def repositories(listing: str, codename: str, suite: str = SUITE) -> dict[str, str]:
    """Return the host's mirrors by name, `suite` and `suite`-security, from the output of INDEXES, or {}.

    `codename` is the release of the host.
    """
    lines = [line.split() for line in listing.splitlines()]
    pairs = [(line[0].rstrip("/"), line[1]) for line in lines if len(line) == 3 and line[2] == "main"]
    pairs = [(uri, suite) for uri, suite in pairs if uri.startswith(("http://", "https://"))]
    # Third-party repositories use the codename, too; the distribution's own has an -updates suite beside it.
    main = [uri for uri, suite in pairs if suite == codename]
    main.sort(key=lambda uri: ((uri, f"{codename}-updates") in pairs, uri.endswith("/debian")), reverse=True)
    security = [uri for uri, suite in pairs if suite == f"{codename}-security"]
    # Unstable has no security archive.
    urgent = security[:1] if main and suite != "unstable" else []
    return {name: uris[0] for name, uris in ((suite, main[:1]), (f"{suite}-security", urgent)) if uris}


def _host_archives(files: Files) -> tuple[str, str]:
    system = parse_os_release(files.read(Path("/etc/os-release")))
    if system.get("ID") != "debian":
        return "", ""
    mirrors = repositories(_capture(*INDEXES), system.get("VERSION_CODENAME", ""))
    main, security, *_ = [*mirrors.values(), "", ""]
    return main, security


def _capture(*argv: str) -> str:
    try:
        return process.capture(Command(argv, {"LC_ALL": "C"})) if shutil.which(argv[0]) else ""
    except CommandFailed:
        return ""


def _parse_auth(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield machine, user and password of each entry of an auth.conf: words, and comment lines (apt_auth.conf(5))."""
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
    """Return GOLDI_APT_CONF (lines of apt.conf), GOLDI_APT_AUTH, and GOLDI_APT_SED (changes sources to the mirror)."""
    archives = (("debian-security", apt.security), ("debian", apt.mirror))
    variables = {
        "GOLDI_APT_CONF": "".join(f"{line if with_logins else logins.without(line)}\n" for line in apt.lines),
        "GOLDI_APT_SED": "".join(
            # The path tells which archive it is, on any server. The path of a snapshot has a date and is kept.
            f"s#https?://[^/ ]+/{archive}/*( |$)#{_replacement(uri)}\\1#g\n"
            for archive, uri in archives
            if uri
        ),
        "GOLDI_APT_AUTH": "".join(
            f"machine {machine} login {user} password {password}\n" for machine, user, password in _mirror_logins(apt)
        )
        if with_logins
        else "",
    }
    return {name: value for name, value in variables.items() if value}


def secrets(apt: Apt) -> Iterator[str]:
    """Yield what must not be printed."""
    for line in (*apt.lines, apt.mirror, apt.security):
        yield from logins.secrets(line)
    for _, user, password in _mirror_logins(apt):
        yield from (password, *logins.pair(user, password))


def _mirror_logins(apt: Apt) -> Iterator[tuple[str, str, str]]:
    """Yield the logins of the mirrors: from their addresses, and from apt's files for their hosts."""
    hosts = set()
    for uri in filter(None, (apt.mirror, apt.security)):
        login, plain = logins.split(uri)
        hosts.add(logins.host(plain))
        if login:
            user, _, password = login.partition(":")
            yield plain, unquote(user), unquote(password)
    for machine, user, password in apt.logins:
        if logins.host(machine if "://" in machine else f"https://{machine}") in hosts:
            yield machine, user, password


def _replacement(uri: str) -> str:
    return re.sub(r"([\\&#])", r"\\\1", logins.split(uri)[1])
