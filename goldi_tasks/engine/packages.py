"""Install the engine's programs: from the host's release, or Debian's signed packages in a private prefix."""

import os
import shutil
import tempfile
import time
from pathlib import Path

from goldi_tasks import process
from goldi_tasks.command import Command
from goldi_tasks.engine import EnginePaths, distribution, ensure_root_directory
from goldi_tasks.errors import CommandFailed, EngineFailed
from goldi_tasks.network import apt_config

_IPTABLES = ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore")
# Sets the library paths, relative to the prefix, which may be anywhere.
_WRAPPER = """#!/bin/sh
here=${{0%/*}}/..
export LD_LIBRARY_PATH="$here/{lib}" XTABLES_LIBDIR="$here/{lib}/xtables"
exec "$here/usr/sbin/xtables-nft-multi" {name} "$@"
"""


def of_release() -> tuple[str, ...]:
    """Return the engine packages of the host's release, () if it needs the private engine. Raises EngineFailed."""
    return distribution.release_packages(_os_release())


def install(*names: str) -> None:
    """Install packages of the host's release. Raises CommandFailed."""
    print(f"installing with apt: {' '.join(names)}")
    process.run_in_terminal(Command(("apt-get", "update", "-q")))
    # --no-remove: another vendor's engine must not be replaced by that of the release.
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    process.run_in_terminal(Command(("apt-get", "install", "-q", "--yes", "--no-remove", *names), env))


def install_engine(names: tuple[str, ...], *, answers: bool) -> None:
    """Install the host release's engine and start its service. Raises CommandFailed.

    If an engine `answers`, only the missing client programs are installed.
    """
    # An engine that answers may be another vendor's.
    required = [name for name in names if name != "docker.io" or not answers]
    if missing := [name for name in required if not _is_installed(name)]:
        install(*missing)
    if not answers and Path("/run/systemd/system").is_dir():
        process.run_in_terminal(Command(("systemctl", "enable", "--now", "docker")))


def _is_installed(name: str) -> bool:
    try:
        return (
            process.capture(Command(("dpkg-query", "--show", "--showformat=${db:Status-Status}", name))) == "installed"
        )
    except CommandFailed:
        return False


def age(paths: EnginePaths) -> int | None:
    """Return the days since the packages under `paths.prefix` were fetched; None if there are none."""
    try:
        return int((time.time() - (paths.prefix / "fetched").stat().st_mtime) / 86400)
    except FileNotFoundError:
        return None


def ensure(paths: EnginePaths, *, renew: bool, package_set: distribution.Packages = distribution.ENGINE) -> None:
    """Fetch packages into `paths.prefix` if there are none, or if `renew` and they are old. Raises EngineFailed."""
    days = age(paths) if os.path.lexists(paths.prefix) and ensure_root_directory(paths.prefix) else None
    if days is not None and (days <= distribution.OLD_DAYS or not renew):
        return
    try:
        _fetch(paths, package_set)
    except EngineFailed as error:
        if days is None:
            raise
        print(f"goldi: packages stay as they are, {days} days old: {error}")


def mirrors(suite: str = apt_config.SUITE) -> dict[str, str]:
    """Return the mirrors of `suite` and its updates, from the host's apt. Raises EngineFailed if there is none."""
    if not Path(distribution.KEYRING).is_file():
        raise EngineFailed(f"{distribution.KEYRING} is missing", "Install debian-archive-keyring with apt")
    if mirror := os.environ.get("GOLDI_DEBIAN_MIRROR"):
        return {suite: mirror.rstrip("/")}
    codename = apt_config.parse_os_release(_os_release()).get("VERSION_CODENAME", "")
    repositories = apt_config.repositories(_run_tool(*apt_config.INDEXES), codename, suite)
    if not repositories:
        problem = "the host's apt has no Debian mirror"
        raise EngineFailed(problem, "Set GOLDI_DEBIAN_MIRROR to the address of one and run this again")
    return repositories


def acquire() -> str:
    """Return how the host's apt fetches (its proxy, for example), as configuration lines. Raises EngineFailed."""
    return _run_tool("apt-config", "dump", "Acquire")


def link(paths: EnginePaths) -> None:
    """Link the parts of the client that the host lacks into PATH; replace no files but our links."""
    unlink(paths)
    for path in _links(paths):
        is_plugin = path.parent.name == "cli-plugins"
        folders = [Path(top, "docker/cli-plugins") for top in (paths.local / "libexec", "/usr/lib", "/usr/libexec")]
        is_installed = (
            any((folder / path.name).exists() for folder in folders) if is_plugin else shutil.which(path.name)
        )
        if not is_installed and not os.path.lexists(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            source = "bin" if path.name == "docker" else "libexec/docker/cli-plugins"
            path.symlink_to(paths.prefix / "usr" / source / path.name)


def unlink(paths: EnginePaths) -> None:
    """Remove our links."""
    for path in _links(paths):
        if path.is_symlink() and path.readlink().is_relative_to(paths.prefix):
            path.unlink()


def _links(paths: EnginePaths) -> list[Path]:
    plugins = [paths.local / "lib/docker/cli-plugins" / name for name in ("docker-buildx", "docker-compose")]
    return [*plugins, paths.local / "bin/docker-compose", paths.local / "bin/docker"]


def _os_release() -> str:
    file = Path("/etc/os-release")
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def secret(path: Path, text: str) -> Path:
    """Write a new file that only root can read: addresses of mirrors and proxies may have passwords."""
    path.touch(0o600, exist_ok=False)
    path.write_text(text, encoding="utf-8")
    return path


def _fetch(paths: EnginePaths, package_set: distribution.Packages) -> None:
    """Download and unpack beside the prefix, then rename. Raises EngineFailed.

    It may be killed at any time: the next run removes what is left and begins again.
    """
    parent, name = paths.prefix.parent, paths.prefix.name
    for stale in (*parent.glob(f"{name}.new-*"), parent / f"{name}.old"):
        shutil.rmtree(stale, ignore_errors=True)
    print(f"fetching {package_set.suite}'s engine packages (90 MB) into {paths.prefix}")
    new_prefix = Path(tempfile.mkdtemp(prefix=f"{name}.new-", dir=parent))
    new_prefix.chmod(0o755)
    try:
        debs = _download(new_prefix / "apt", package_set)
        for deb in debs:
            _run_tool("dpkg-deb", "--extract", str(deb), str(new_prefix))
        shutil.rmtree(new_prefix / "apt")
        _write_wrappers(new_prefix)
        # This fails with the name of a missing library.
        _run_tool(str(new_prefix / "usr/sbin/dockerd"), "--version")
        (new_prefix / "fetched").write_text("".join(f"{deb.name}\n" for deb in debs), encoding="utf-8")
        if paths.prefix.exists():
            paths.prefix.rename(parent / f"{name}.old")
        new_prefix.rename(paths.prefix)
    finally:
        for leftover in (new_prefix, parent / f"{name}.old"):
            shutil.rmtree(leftover, ignore_errors=True)


def unpacked(folder: Path, name: str, host_name: str) -> Path:
    """Unpack the package `name` of SUITE below `folder`, which is created; return its files. Raises EngineFailed.

    A host that is not Debian uses its own release's package, `host_name`.
    """
    folder.mkdir()
    private, host = _configure_apt(folder, apt_config.SUITE)
    debian = apt_config.parse_os_release(_os_release()).get("ID") == "debian"
    config = private if debian else host
    _run_tool("apt-get", "-o", "APT::Update::Error-Mode=any", "update", config=config)
    _run_tool("apt-get", "download", name if debian else host_name, config=config, cwd=folder)
    for deb in folder.glob("*.deb"):
        _run_tool("dpkg-deb", "--extract", str(deb), str(folder / "files"))
    return folder / "files"


def _configure_apt(folder: Path, suite: str) -> tuple[Path, Path]:
    """Write apt configurations that use only `folder`: for Debian's packages of `suite`, and for the host's."""
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


def _download(folder: Path, package_set: distribution.Packages) -> list[Path]:
    """Download the suite's packages and those of the host's release whose program it lacks; return the .deb files."""
    private, host = _configure_apt(folder, package_set.suite)
    _run_tool("apt-get", "-o", "APT::Update::Error-Mode=any", "update", config=private)
    _run_tool("apt-get", "download", *package_set.names, config=private, cwd=folder)
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    if missing := [name for program, name in package_set.of_host if not shutil.which(program, path=path)]:
        _run_tool("apt-get", "update", config=host)
        options = ("--yes", "--download-only", "--no-install-recommends")
        _run_tool("apt-get", "install", *options, *missing, config=host)
    return sorted([*folder.glob("*.deb"), *folder.glob("host/cache/archives/*.deb")])


def _write_wrappers(prefix: Path) -> None:
    """Write small programs that start the unpacked iptables, if it was unpacked."""
    if not (prefix / "usr/sbin/xtables-nft-multi").exists():
        return
    lib = next(prefix.glob("usr/lib/*-linux-gnu*")).relative_to(prefix)
    ensure_root_directory(prefix / "wrap")
    for name in _IPTABLES:
        (prefix / "wrap" / name).write_text(_WRAPPER.format(lib=lib, name=name), encoding="utf-8")
        (prefix / "wrap" / name).chmod(0o755)


def _run_tool(*argv: str, config: Path | None = None, cwd: Path | None = None) -> str:
    """Return the output of a program of the package tools. Raises EngineFailed with its error."""
    try:
        return process.capture(
            Command(argv, {"LC_ALL": "C"} | ({"APT_CONFIG": str(config)} if config else {})), cwd=cwd
        )
    except CommandFailed as error:
        reason = distribution.reason(error.problem)
        remedy = "Check apt's mirror and proxy (`apt-get update` must work), then run this again"
        raise EngineFailed(f"the engine's packages could not be fetched: {reason}", remedy) from error
