"""Where the engine's programs come from: the host's release, or a private prefix of Debian's signed packages."""

import os
import shutil
import tempfile
import time
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.engine import Place, distribution, own
from goldi_tasks.errors import CommandFailed, EngineFailed
from goldi_tasks.network import apt_config

_IPTABLES = ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore")
# Sees to it that a wrapped program finds its libraries wherever the prefix is.
_WRAPPER = """#!/bin/sh
here=${{0%/*}}/..
export LD_LIBRARY_PATH="$here/{lib}" XTABLES_LIBDIR="$here/{lib}/xtables"
exec "$here/usr/sbin/xtables-nft-multi" {name} "$@"
"""


def of_release() -> tuple[str, ...]:
    """The host release's own engine packages, () where the private engine is needed. Raises EngineFailed."""
    return distribution.release_packages(_os_release())


def install(*names: str) -> None:
    """Install packages of the host's release. Raises CommandFailed."""
    print(f"installing with apt: {' '.join(names)}")
    process.live(Command(("apt-get", "update", "-q")))
    # An engine of another vendor must not go for one of the release.
    quietly = {"DEBIAN_FRONTEND": "noninteractive"}
    process.live(Command(("apt-get", "install", "-q", "--yes", "--no-remove", *names), quietly))


def install_engine(names: tuple[str, ...], *, answers: bool) -> None:
    """Install the host release's engine and its service, or what the one that `answers` lacks. Raises CommandFailed."""
    # An engine that answers may be another vendor's.
    wanted = [name for name in names if name != "docker.io" or not answers]
    if missing := [name for name in wanted if not _is_installed(name)]:
        install(*missing)
    if not answers and Path("/run/systemd/system").is_dir():
        process.live(Command(("systemctl", "enable", "--now", "docker")))


def _is_installed(name: str) -> bool:
    try:
        return (
            process.capture(Command(("dpkg-query", "--show", "--showformat=${db:Status-Status}", name))) == "installed"
        )
    except CommandFailed:
        return False


def age(place: Place) -> int | None:
    """Days since the packages under `place.prefix` were fetched; None if there are none."""
    try:
        return int((time.time() - (place.prefix / "fetched").stat().st_mtime) / 86400)
    except FileNotFoundError:
        return None


def ensure(place: Place, *, renew: bool, wanted: distribution.Packages = distribution.ENGINE) -> None:
    """Packages under `place.prefix`: fetched if there are none, or if `renew` and they are old. Raises EngineFailed."""
    days = age(place) if os.path.lexists(place.prefix) and own(place.prefix) else None
    if days is not None and (days <= distribution.OLD_DAYS or not renew):
        return
    try:
        _fetch(place, wanted)
    except EngineFailed as error:
        if days is None:
            raise
        print(f"goldi: packages stay as they are, {days} days old: {error}")


def mirrors(suite: str = apt_config.SUITE) -> dict[str, str]:
    """Where `suite` and its updates are, as the host's apt is configured. Raises EngineFailed if it names none."""
    if not Path(distribution.KEYRING).is_file():
        raise EngineFailed(f"{distribution.KEYRING} is missing", "Install debian-archive-keyring with apt")
    if mirror := os.environ.get("GOLDI_DEBIAN_MIRROR"):
        return {suite: mirror.rstrip("/")}
    codename = apt_config.parse_os_release(_os_release()).get("VERSION_CODENAME", "")
    found = apt_config.repositories(_apt(*apt_config.INDEXES), codename, suite)
    if not found:
        problem = "the host's apt knows no Debian mirror"
        raise EngineFailed(problem, "Set GOLDI_DEBIAN_MIRROR to the address of one and run this again")
    return found


def acquire() -> str:
    """How the host's apt fetches: its proxy and the like, as configuration lines."""
    return _apt("apt-config", "dump", "Acquire")


def link(place: Place) -> None:
    """Make the parts of the client that the host lacks reachable from any shell; over nothing that is not ours."""
    unlink(place)
    for path in _links(place):
        plugin = path.parent.name == "cli-plugins"
        folders = [Path(top, "docker/cli-plugins") for top in (place.local / "libexec", "/usr/lib", "/usr/libexec")]
        there = any((folder / path.name).exists() for folder in folders) if plugin else shutil.which(path.name)
        if not there and not os.path.lexists(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            source = "bin" if path.name == "docker" else "libexec/docker/cli-plugins"
            path.symlink_to(place.prefix / "usr" / source / path.name)


def unlink(place: Place) -> None:
    """Remove our links."""
    for path in _links(place):
        if path.is_symlink() and path.readlink().is_relative_to(place.prefix):
            path.unlink()


def _links(place: Place) -> list[Path]:
    plugins = [place.local / "lib/docker/cli-plugins" / name for name in ("docker-buildx", "docker-compose")]
    return [*plugins, place.local / "bin/docker-compose", place.local / "bin/docker"]


def _os_release() -> str:
    file = Path("/etc/os-release")
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def secret(path: Path, text: str) -> Path:
    """Write a new file that only root can read: mirrors and proxies may be written with passwords."""
    path.touch(0o600, exist_ok=False)
    path.write_text(text, encoding="utf-8")
    return path


def _fetch(place: Place, wanted: distribution.Packages) -> None:
    """Download and unpack beside the prefix, then take its place: killed at any time, the next run starts afresh."""
    parent, name = place.prefix.parent, place.prefix.name
    for stale in (*parent.glob(f"{name}.new-*"), parent / f"{name}.old"):
        shutil.rmtree(stale, ignore_errors=True)
    print(f"fetching {wanted.suite}'s engine packages (90 MB) into {place.prefix}")
    new = Path(tempfile.mkdtemp(prefix=f"{name}.new-", dir=parent))
    new.chmod(0o755)
    try:
        debs = _download(new / "apt", wanted)
        for deb in debs:
            _apt("dpkg-deb", "--extract", str(deb), str(new))
        shutil.rmtree(new / "apt")
        _wrap(new)
        # Says which library is missing, if one is.
        _apt(str(new / "usr/sbin/dockerd"), "--version")
        (new / "fetched").write_text("".join(f"{deb.name}\n" for deb in debs), encoding="utf-8")
        if place.prefix.exists():
            place.prefix.rename(parent / f"{name}.old")
        new.rename(place.prefix)
    finally:
        for left in (new, parent / f"{name}.old"):
            shutil.rmtree(left, ignore_errors=True)


def unpacked(folder: Path, name: str, host_name: str) -> Path:
    """The files of SUITE's package `name`, unpacked below `folder`, which is made. Raises EngineFailed.

    Where the host is no Debian its own release is asked, which calls it `host_name`.
    """
    folder.mkdir()
    private, host = _configured(folder, apt_config.SUITE)
    debian = apt_config.parse_os_release(_os_release()).get("ID") == "debian"
    config = private if debian else host
    _apt("apt-get", "-o", "APT::Update::Error-Mode=any", "update", config=config)
    _apt("apt-get", "download", name if debian else host_name, config=config, cwd=folder)
    for deb in folder.glob("*.deb"):
        _apt("dpkg-deb", "--extract", str(deb), str(folder / "files"))
    return folder / "files"


def _configured(folder: Path, suite: str) -> tuple[Path, Path]:
    """Configurations of apt that keep to `folder`: for Debian's packages of `suite`, and for the host's release."""
    for part in ("private/sources", "private/lists", "host/lists", "host/cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    (folder / "private/status").touch()
    secret(folder / "private/sources/debian.sources", distribution.sources(mirrors(suite)))
    settings = acquire()
    private, host = (
        secret(
            folder / f"{part}.conf", distribution.apt_config(str(folder / part), settings, private=part == "private")
        )
        for part in ("private", "host")
    )
    return private, host


def _download(folder: Path, wanted: distribution.Packages) -> list[Path]:
    """The packages as files: the suite's, and of the host's release those whose program the host has not."""
    private, host = _configured(folder, wanted.suite)
    _apt("apt-get", "-o", "APT::Update::Error-Mode=any", "update", config=private)
    _apt("apt-get", "download", *wanted.names, config=private, cwd=folder)
    system = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    if missing := [name for program, name in wanted.of_host if not shutil.which(program, path=system)]:
        _apt("apt-get", "update", config=host)
        options = ("--yes", "--download-only", "--no-install-recommends")
        _apt("apt-get", "install", *options, *missing, config=host)
    return sorted([*folder.glob("*.deb"), *folder.glob("host/cache/archives/*.deb")])


def _wrap(prefix: Path) -> None:
    """Small programs that start the unpacked iptables, if it had to be unpacked."""
    if not (prefix / "usr/sbin/xtables-nft-multi").exists():
        return
    lib = next(prefix.glob("usr/lib/*-linux-gnu*")).relative_to(prefix)
    own(prefix / "wrap")
    for name in _IPTABLES:
        (prefix / "wrap" / name).write_text(_WRAPPER.format(lib=lib, name=name), encoding="utf-8")
        (prefix / "wrap" / name).chmod(0o755)


def _apt(*argv: str, config: Path | None = None, cwd: Path | None = None) -> str:
    """What a program of the package tools says. Raises EngineFailed with its reason."""
    try:
        return process.capture(
            Command(argv, {"LC_ALL": "C"} | ({"APT_CONFIG": str(config)} if config else {})), cwd=cwd
        )
    except CommandFailed as error:
        said = distribution.reason(error.problem)
        remedy = "Look at apt's mirror and proxy (`apt-get update` must work), then run this again"
        raise EngineFailed(f"the engine's packages could not be fetched: {said}", remedy) from error
